# Everything that a profile may have.
set -u
iso_name=full
user='alice'
packages="lists/all.txt"
pacman_conf=pacman.conf
declare -A file_permissions=(
  ["/etc/shadow"]="0:0:400" # not taken: there is no such file
  ["/etc/secret"]="0:971:0640"
  ["/home/${user}/bin/run"]="1000:1000:755"
  ["/usr/local/bin/tool"]="0:0:0755"
  ["/srv/www/"]="33:http:644"
  ["/srv/www/sub/special"]="0:0:4711"
)
file_permissions+=(["/etc/nowhere"]="0:0:600" ["/etc/link"]="1000:1000:700")
file_permissions["/etc/odd"]="4242:4242:u+x"
