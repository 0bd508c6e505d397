"""Where what is drawn: units of the drawing, about a pixel each on a phone; y grows downwards."""

from __future__ import annotations

WIDTH = 360
EDGE = 4
"""Between the drawing's sides and its boxes."""
MARKS_X, NAMES_X = 26, 40
WALL_FROM = 12
LANES_FROM, LANES_TO = 110, 346
BOX_FROM, BOX_WIDTH = 104, 244
"""Of what the lanes run through and into: a little more than the lanes."""
INTERNET_Y = 24
WAYS_Y, PORTS_Y, DIGITS_Y = 48, 65, 80
INTERNET_TO = 88
HOST_FROM = 106
FIREWALL_Y, WALL_HEIGHT = 136, 32
SOCKETS_Y = 186
SERVERS_FROM, SERVER_HEIGHT = 212, 40
BELOW_SERVERS = 24
HOST_BELOW_NAME = 30
DNS_BELOW_HOST = 46
DOMAINS_BELOW_DNS = 66
DOMAIN_HEIGHT = 50
LAST_LINE = 28
BELOW_ALL = 6
