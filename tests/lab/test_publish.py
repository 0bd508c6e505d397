"""``mailfix fix`` publishes what a domain lacks at its name server, and takes it back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .lab import Lab, running_lab
from .names import DNS_IPV4, HOST_IPV4, HOST_IPV6, HOST_NAME
from .test_audit import rules_that
from .test_fix import fix

pytestmark = pytest.mark.usefixtures("lab_machine")

ZONE = "shop.example"
SECRET = "bGFiLXNlY3JldC1vZi10aGlydHktdHdvLWJ5dGVzISE="
KEY_FILE = "/etc/mailfix/shop.key"
KEY = f'key "mailfix" {{ algorithm hmac-sha256; secret "{SECRET}"; }};\n'
BEFORE = f"v=spf1 ip4:{HOST_IPV4} -all"
AFTER = f"v=spf1 ip4:{HOST_IPV4} ip6:{HOST_IPV6} -all"
OTHER = "site-verification=abc"
ZONE_TEXT = f"""\
$TTL 300
{ZONE}. SOA ns.lab. hostmaster.lab. 1 3600 600 86400 60
{ZONE}. NS ns.lab.
{ZONE}. MX 10 {HOST_NAME}.
{ZONE}. TXT "{BEFORE}"
{ZONE}. TXT "{OTHER}"
"""
SETTINGS = f"domains: [{ZONE}]\n"
UPDATES = f"dns_updates:\n  - {{zone: {ZONE}, server: {DNS_IPV4}, key_file: {KEY_FILE}}}\n"
SPF = ("--only", "spf-refuses-host")


@pytest.fixture
def shop(lab_machine: None) -> Iterator[Lab]:
    """A host that handles a domain whose SPF record forgets IPv6, and its zone takes updates."""
    with running_lab() as lab:
        zone = lab.internet.directory / "shop"
        zone.write_text(ZONE_TEXT)
        role = f'type primary; file "{zone}"; allow-update {{ key "mailfix"; }};'
        lab.internet.add_zones(f'{KEY}zone "{ZONE}" {{ {role} }};\n')
        lab.host.write("/etc/mailfix/mailfix.yml", SETTINGS + UPDATES)
        lab.host.write(KEY_FILE, KEY)
        lab.host.sh(f"chmod 600 {KEY_FILE}")
        yield lab


def published(lab: Lab) -> list[str]:
    answer = lab.internet.dig(ZONE, "TXT")
    return sorted(each.strip('"') for each in answer.data)


def test_the_address_that_spf_forgets_is_added_everywhere_and_taken_back(shop: Lab) -> None:
    assert "spf-refuses-host" in rules_that("fail", shop.host.audit())
    fixed = fix(shop.host, *SPF)
    assert fixed.result["end"] == "made", fixed.result
    assert fixed.cured == {"spf-refuses-host"}
    assert fixed.exit_code == 0, fixed.result
    assert fixed.result["guard_s"] == 0
    assert published(shop) == sorted([OTHER, AFTER])
    assert "spf-refuses-host" not in rules_that("fail", shop.host.audit())
    told = shop.host.sh("mailfix history 1; cat /var/lib/mailfix/transactions/*/journal")
    assert f'-{ZONE}. 300 IN TXT "{BEFORE}"' in told
    assert f'+{ZONE}. 300 IN TXT "{AFTER}"' in told
    assert SECRET not in told
    shop.host.sh("mailfix undo --yes")
    assert published(shop) == sorted([OTHER, BEFORE])


def test_what_somebody_else_has_changed_since_is_not_undone(shop: Lab) -> None:
    assert fix(shop.host, *SPF).result["end"] == "made"
    by_hand = f"server {DNS_IPV4}\\nkey hmac-sha256:mailfix {SECRET}\\nzone {ZONE}\\n"
    order = f"update add {ZONE} 300 TXT by-hand\\nsend\\n"
    done = shop.internet.run(["sh", "-c", f"printf '{by_hand}{order}' | nsupdate"])
    assert done.returncode == 0, done.stderr
    refused = shop.host.run(["mailfix", "undo", "--yes"])
    assert refused.returncode == 64
    assert f"--force {ZONE}/TXT" in refused.stderr
    assert f'+{ZONE}. 300 IN TXT "by-hand"' in refused.stderr
    assert published(shop) == sorted([OTHER, AFTER, "by-hand"])


def test_what_cannot_be_published_is_left_with_the_record_to_paste(shop: Lab) -> None:
    shop.host.sh(f"chmod 644 {KEY_FILE}")
    (left,) = fix(shop.host, *SPF).result["left"]
    assert f"has mode 0644 and not 0600: chmod 600 {KEY_FILE}" in left["reason"]
    shop.host.write("/etc/mailfix/mailfix.yml", SETTINGS)
    (left,) = fix(shop.host, *SPF).result["left"]
    assert "no entry of dns_updates" in left["reason"]
    assert f'IN TXT "{AFTER}"' in left["advice"]
    assert published(shop) == sorted([OTHER, BEFORE])


def test_a_policy_of_the_domain_is_published_only_when_somebody_says_so(shop: Lab) -> None:
    (left,) = fix(shop.host, "--only", "dmarc-missing").result["left"]
    assert "only its owner can know" in left["reason"]
    shown = shop.host.run(["mailfix", "fix", "--dry-run", "--only", "dmarc-missing"])
    assert f"+_dmarc.{ZONE}. 3600 IN TXT" in shown.stdout
