"""The page and the HTTP interface of `segsr app`; see `segsr.app.server`."""
