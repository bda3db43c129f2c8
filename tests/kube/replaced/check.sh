set -euo pipefail
HARBOR_DOMAIN="${HARBOR_DOMAIN:-}"
HARBOR_IP="${HARBOR_IP:-}"

RESOLVED_IP=$(nslookup "$HARBOR_DOMAIN" 2>/dev/null | grep -A 1 "Name:" | grep "Address:" | awk '{print $2}' | head -n 1)
if [ "$RESOLVED_IP" = "$HARBOR_IP" ]; then
  echo start
  exit 0
else
  echo stop
  exit 0
fi
