"""Where Bookinfo's services are: what the configuration has to expose, and what is installed."""

NAMESPACE = "bookinfo"
PORT = 9080
HTTP_PORT = 80
"""Of the page, on the frontend's ingress gateway."""
