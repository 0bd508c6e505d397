"""A host that serves hundreds or thousands of mail domains, each a zone of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from .lab import Lab, running_lab
from .names import DOMAIN, HOST_NAME, SELECTOR

ZONE = f"""$TTL 300
@ SOA ns.lab. hostmaster.lab. 1 3600 600 86400 60
@ NS ns.lab.
@ MX 10 mail
@ TXT "v=spf1 mx a:{HOST_NAME} -all"
@ A 203.0.113.10
mail A 203.0.113.10
mail AAAA 2001:db8:113::10
_dmarc TXT "v=DMARC1; p=reject"
{SELECTOR}._domainkey TXT {{key}}
"""


@dataclass(frozen=True, slots=True)
class Crowd:
    """A lab whose host serves many domains."""

    lab: Lab
    domains: tuple[str, ...]

    def serve(self, count: int) -> None:
        """Let the host have the first ``count`` domains."""
        lines = "".join(f"  - {name}\n" for name in self.domains[:count])
        self.lab.host.write("/etc/mailfix/mailfix.yml", f"domains:\n{lines}")


@contextmanager
def crowd(count: int, without: Mapping[int, str] | None = None) -> Iterator[Crowd]:
    """So many healthy domains; ``without`` takes the line that holds a text out of a zone."""
    domains = tuple(f"d{number:05}.example" for number in range(count))
    with running_lab() as lab:
        healthy = ZONE.format(key=published(lab, f"{SELECTOR}._domainkey.{DOMAIN}"))
        folder = lab.internet.directory
        file = folder / "crowd.zone"
        file.write_text(healthy)
        files = dict.fromkeys(domains, file)
        for number, text in (without or {}).items():
            broken = files[domains[number]] = folder / f"{domains[number]}.zone"
            lines = (line for line in healthy.splitlines() if text not in line)
            broken.write_text("\n".join(lines) + "\n")
        lab.internet.add_zones(
            "\n".join(f'zone "{each}" {{ type primary; file "{files[each]}"; }};' for each in files)
        )
        lab.host.sh(
            f"cd /etc/exim4/dkim; seq -f d%05g.example.key 0 {count - 1} |"
            " xargs -n 1 ln -s example.com.key",
            timeout=300,
        )
        yield Crowd(lab, domains)


def published(lab: Lab, name: str) -> str:
    return next(each.data for each in lab.internet.names.records if each.name == name)
