"""A certificate (ed25519, self-signed, ``CN=mail.example.com``) and its public key, in DER."""

from __future__ import annotations

import base64

CERTIFICATE = base64.b64decode(
    "MIIBajCCARygAwIBAgIUeFBTUkKB56WCXp7wCO6aYTW+S3MwBQYDK2VwMBsxGTAXBgNVBAMMEG1haWwu"
    "ZXhhbXBsZS5jb20wIBcNMjYxMTIyMjIyNDM5WhgPMjEyNjEwMjkyMjI0MzlaMBsxGTAXBgNVBAMMEG1h"
    "aWwuZXhhbXBsZS5jb20wKjAFBgMrZXADIQA2zBoBWkteR3l01gPQsq+i5PodM5NWncsJv0khg7g3faNw"
    "MG4wHQYDVR0OBBYEFBh80rXuARfD5NewauxsAiNm9NknMB8GA1UdIwQYMBaAFBh80rXuARfD5Newauxs"
    "AiNm9NknMA8GA1UdEwEB/wQFMAMBAf8wGwYDVR0RBBQwEoIQbWFpbC5leGFtcGxlLmNvbTAFBgMrZXAD"
    "QQCCD/rwcifNvAAgden46yVzSG52ZuSnH6iVIIX7sz/BhCrCiROdqeqpH0cmcimodPoPi+pEH9dsbewv"
    "TjSJsTUP"
)
PUBLIC_KEY = base64.b64decode("MCowBQYDK2VwAyEANswaAVpLXkd5dNYD0LKvouT6HTOTVp3LCb9JIYO4N30=")
