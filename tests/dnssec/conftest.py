"""These tests, too, have real name servers in a network of their own."""

from tests.publish.conftest import _alone as _alone
