# Runs once as root inside the new image, before it is ever booted.
set -e

mkdir -p /opt/mailfix /etc/ssl/mail /root
umask 077
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
    -subj /CN=mail.example.com -addext subjectAltName=DNS:mail.example.com \
    -keyout /etc/ssl/mail/dovecot.key -out /etc/ssl/mail/cert.pem
cp /etc/ssl/mail/dovecot.key /etc/ssl/mail/exim.key
chown Debian-exim /etc/ssl/mail/exim.key
chmod 755 /etc/ssl/mail
chmod 644 /etc/ssl/mail/cert.pem
umask 022

install -d -m 750 -o root -g Debian-exim /etc/exim4/dkim
openssl genrsa -out /etc/exim4/dkim/example.com.key 2048
chown root:Debian-exim /etc/exim4/dkim/example.com.key
chmod 640 /etc/exim4/dkim/example.com.key
{
    printf 'v=DKIM1; k=rsa; p='
    openssl pkey -in /etc/exim4/dkim/example.com.key -pubout -outform DER | base64 -w 0
} > /etc/exim4/dkim/example.com.txt

useradd --create-home --shell /bin/sh anna
update-exim4.conf
systemctl enable dovecot.service exim4.service
systemctl mask console-getty.service getty.target systemd-firstboot.service \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
    systemd-tmpfiles-clean.timer systemd-logind.service
printf '' > /etc/fstab
rm -f /var/log/exim4/* /etc/machine-id
systemd-machine-id-setup
