"""The mail host's disk image: Debian, built once and kept outside the repository.

The base and every layer over it are keyed by their recipe, built under a lock beside their
final place and renamed, so that what exists is complete and fits this checkout.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from .machine import LabError, run

SUITE = "bookworm"
PACKAGES = (
    "systemd-sysv",
    "dbus",
    "exim4-daemon-heavy",
    "dovecot-imapd",
    "iptables",
    "nftables",
    "ipset",
    "iproute2",
    "procps",
    "ca-certificates",
    "openssl",
    "less",
    "nano",
    "python3-typer",
    "python3-dnspython",
    "python3-jinja2",
    "python3-psutil",
    "python3-yaml",
    "python3-cffi-backend",
    "python3-cryptography",
    "python3-iptables",
    "publicsuffix",
)
SKELETON = Path(__file__).with_name("skeleton")
SETUP = Path(__file__).with_name("setup.sh")
CSF_STAND_IN = Path(__file__).with_name("csf_stand_in.py")
NO_SERVICES = "#!/bin/sh\nexit 101\n"
BUILD_SECONDS = 1500.0
DKIM_RECORD = "etc/exim4/dkim/example.com.txt"
INSTALL = """
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -q -y -o Dpkg::Options::=--force-confold --no-install-recommends install "$@"
apt-get clean
rm -rf /var/lib/apt/lists/*
"""


@dataclass(frozen=True, slots=True)
class Layer:
    """Packages over the base image, and a shell script that sets them up, for a few hosts.

    ``suite`` is the release of Debian.
    """

    packages: tuple[str, ...]
    setup: str = ""
    suite: str = SUITE


BASE = Layer(())
DOVECOT_2_4 = """cat >/etc/dovecot/conf.d/99-lab.conf <<'END'
protocols {
  imap = yes
}
mail_driver = maildir
mail_path = ~/Maildir
mail_inbox_path =
ssl_server_cert_file = /etc/ssl/mail/cert.pem
ssl_server_key_file = /etc/ssl/mail/dovecot.key
END
doveconf -n >/dev/null
"""
TRIXIE = Layer((), DOVECOT_2_4, "trixie")
POSTFIX = Layer(
    ("postfix",),
    """
postconf -e myhostname=mail.example.com myorigin=/etc/mailname inet_interfaces=all \
    inet_protocols=all 'mydestination=example.com, mail.example.com, localhost' relayhost= \
    smtpd_tls_cert_file=/etc/ssl/mail/cert.pem smtpd_tls_key_file=/etc/ssl/mail/dovecot.key \
    smtpd_tls_security_level=may
postconf -M submission/inet='submission inet n - y - - smtpd'
postconf -M submissions/inet='submissions inet n - y - - smtpd -o smtpd_tls_wrappermode=yes'
""",
)
WORKSHOP = Layer(
    (
        *("debhelper", "dh-python", "faketime", "lintian", "pybuild-plugin-pyproject"),
        *("python3-all", "python3-setuptools"),
    )
)
LYNIS = Layer(("lynis",))
UFW = Layer(("ufw",))
# A host is ready when its mail ports are open: firewalld begins with them closed.
FIREWALLD = Layer(("firewalld",), "systemctl disable firewalld.service\n")
SAVED_IPTABLES = Layer(
    ("iptables-persistent",),
    "rm -f /etc/iptables/rules.v4 /etc/iptables/rules.v6\n",
)
CSF_CONF = """# As ConfigServer Security & Firewall keeps it; read by a stand-in.
TESTING = "0"

# Allow incoming TCP ports
TCP_IN = "22,25,465,587,143,993"

# Allow outgoing TCP ports
TCP_OUT = "25,53,80,443,465,587"

IPV6 = "1"
TCP6_IN = "22,25,465,587,143,993"
TCP6_OUT = "25,53,80,443,465,587"
LF_SPI = "1"
DROP_LOGGING = "1"
SMTP_BLOCK = "0"
SMTP_ALLOWLOCAL = "1"
SMTP_PORTS = "25,465,587"
SMTP_ALLOWUSER = "Debian-exim"
"""
CSF_UNIT = """[Unit]
Description=A stand-in for ConfigServer Firewall & Security
Before=network-pre.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/csf -s
ExecStop=/usr/sbin/csf -f

[Install]
WantedBy=multi-user.target
"""
CSF = Layer(
    (),
    f"""mkdir -m 700 /etc/csf
cat >/usr/sbin/csf <<'END'
{CSF_STAND_IN.read_text(encoding="utf-8")}END
chmod 700 /usr/sbin/csf
cat >/etc/csf/csf.conf <<'END'
{CSF_CONF}END
echo '198.18.7.1 # lfd: (smtpauth) Failed SMTP AUTH login' >/etc/csf/csf.deny
echo '192.0.2.200 # the office' >/etc/csf/csf.allow
chmod 600 /etc/csf/*
cat >/etc/systemd/system/csf.service <<'END'
{CSF_UNIT}END
""",
)


def cache_directory() -> Path:
    return Path(os.environ.get("MAILFIX_LAB_CACHE", "/var/cache/mailfix-lab"))


def lower_directories(layer: Layer = BASE) -> tuple[Path, ...]:
    """The image's directories, uppermost first, ready for overlayfs; built now if missing.

    Raises LabError when the build fails.
    """
    cache = cache_directory()
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    base = cache / f"base-{base_key(layer.suite)}"
    if not base.exists():
        with locked(cache):
            build_base(base, layer.suite)
    if not layer.packages and not layer.setup:
        return (base,)
    upper = cache / f"layer-{layer_key(layer)}"
    if not upper.exists():
        with locked(cache):
            build_layer(upper, base, layer)
    return (upper, base)


def dkim_key_record(layer: Layer) -> str:
    """The record that publishes the key with which the host signs."""
    base = lower_directories(layer)[-1]
    return (base / DKIM_RECORD).read_text(encoding="ascii").strip()


def base_key(suite: str = SUITE) -> str:
    recipe = hashlib.sha256(repr((suite, PACKAGES, SETUP.read_bytes())).encode())
    for path in skeleton_files():
        name = str(path.relative_to(SKELETON))
        recipe.update(repr((name, path.read_bytes(), os.access(path, os.X_OK))).encode())
    return recipe.hexdigest()[:16]


def layer_key(layer: Layer) -> str:
    return hashlib.sha256(repr((base_key(layer.suite), layer, INSTALL)).encode()).hexdigest()[:16]


def skeleton_files() -> list[Path]:
    return sorted(path for path in SKELETON.rglob("*") if path.is_file())


@contextmanager
def locked(cache: Path) -> Iterator[None]:
    """One builder at a time; the kernel frees the lock of a builder that died."""
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build_base(final: Path, suite: str) -> None:
    if final.exists():
        return
    scratch = fresh_scratch(final)
    run(
        (
            "debootstrap",
            "--variant=minbase",
            f"--include={','.join(PACKAGES)}",
            suite,
            str(scratch),
        ),
        timeout=BUILD_SECONDS,
    )
    shutil.rmtree(scratch / "var/cache/apt/archives", ignore_errors=True)
    for source in skeleton_files():
        target = scratch / source.relative_to(SKELETON)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        target.chmod(0o755 if os.access(source, os.X_OK) else 0o644)
    run_inside(scratch, SETUP.read_text(encoding="utf-8"))
    scratch.rename(final)


def build_layer(final: Path, base: Path, layer: Layer) -> None:
    if final.exists():
        return
    scratch = fresh_scratch(final)
    upper, work, merged = (scratch / name for name in ("upper", "work", "merged"))
    for directory in (upper, work, merged):
        directory.mkdir(mode=0o755)
    with ExitStack() as stack:
        mount_overlay(merged, (base,), upper, work)
        stack.callback(run, ("umount", str(merged)))
        if layer.packages:
            run_inside(merged, INSTALL, layer.packages)
        run_inside(merged, f"set -e\n{layer.setup}")
    upper.rename(final)
    shutil.rmtree(scratch)


def fresh_scratch(final: Path) -> Path:
    """An empty directory beside ``final``; what interrupted builds left is removed."""
    for leftover in final.parent.glob("*.building"):
        while (leftover / "merged").is_mount():
            run(("umount", str(leftover / "merged")))
        shutil.rmtree(leftover)
    scratch = final.with_name(f"{final.name}.building")
    scratch.mkdir(mode=0o755)
    return scratch


def run_inside(root: Path, script: str, arguments: tuple[str, ...] = ()) -> None:
    """Run a shell script in an image that is not booted; no service is started by it."""
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text(NO_SERVICES, encoding="utf-8")
    policy.chmod(0o755)
    try:
        run(
            (
                "systemd-nspawn",
                "--quiet",
                "--register=no",
                "--keep-unit",
                "--pipe",
                "--resolv-conf=bind-host",
                "--timezone=off",
                f"--directory={root}",
                "/bin/sh",
                "-c",
                script,
                "sh",
                *arguments,
            ),
            timeout=BUILD_SECONDS,
        )
    finally:
        policy.unlink()


def mount_overlay(merged: Path, lower: tuple[Path, ...], upper: Path, work: Path) -> None:
    for path in (*lower, upper, work):
        if any(sign in str(path) for sign in ":,"):
            raise LabError(f"overlayfs cannot take a path with a colon or comma: {path}")
    options = f"lowerdir={':'.join(map(str, lower))},upperdir={upper},workdir={work}"
    run(("mount", "-t", "overlay", "mailfix-lab", "-o", options, str(merged)))
