"""Request and reply: the queue of a service's calls, its methods and its replies."""
