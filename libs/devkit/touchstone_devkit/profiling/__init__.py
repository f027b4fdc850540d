"""Where the time of one audit goes: traces and samples of a real system, as one page."""
