"""Assessment: standards, accredited bodies and auditors, and audit reports from submission to acceptance."""
