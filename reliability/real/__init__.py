"""The same histories on real servers and processes, behind proxies."""
