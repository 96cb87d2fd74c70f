"""The report of a benchmark: a folder with a page that needs no server."""
