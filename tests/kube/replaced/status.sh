set -euo pipefail

# Status script for disaster recovery
# This script will be executed before stop script to verify harbor is actually running

# Read environment variables with validation
HARBOR_NAMESPACE="${HARBOR_NAMESPACE:-harbor-ns}"
HARBOR_NAME="${HARBOR_NAME:-harbor}"
HARBOR_REPLICAS="${HARBOR_REPLICAS:-1}"

# Check Harbor health status via health endpoint
# Use HTTPS if available, fallback to HTTP for internal cluster communication
HARBOR_SVC="${HARBOR_NAME}-core.${HARBOR_NAMESPACE}.svc"

set +e
# Check health endpoint with proper timeout and error handling
HTTP_CODE=$(curl -sf --max-time 10 --connect-timeout 5 \
  -o /dev/null -w "%{http_code}" \
  "http://${HARBOR_SVC}/api/v2.0/health" 2>/dev/null)
set -e

# Get running pods count with proper error handling
RUNNING_PODS=$(kubectl -n "$HARBOR_NAMESPACE" \
  get pods -l release="$HARBOR_NAME" \
  --field-selector=status.phase=Running \
  --no-headers \
  --request-timeout=5s 2>/dev/null | wc -l | tr -d ' ')

# Validate pod count is numeric
if [[ ! "$RUNNING_PODS" =~ ^[0-9]+$ ]]; then
  RUNNING_PODS="0"
fi

# Determine status based on HTTP code and running pods count
# At least MIN_PODS_REQUIRED running pods are required (core, portal, jobservice, registry, trivy)
# When service has no endpoints (pods not running), curl will fail and HTTP_CODE will be empty or "000"
if [ "$HTTP_CODE" = "200" ] && [ -n "$RUNNING_PODS" ] && [ "$RUNNING_PODS" -ge 5 ]; then
  # Harbor is healthy: HTTP 200 and sufficient pods running
  echo "started"
elif ([ -z "$HTTP_CODE" ] || [ "$HTTP_CODE" = "000" ] || [ "$HTTP_CODE" = "" ]) && \
     ([ -z "$RUNNING_PODS" ] || [ "$RUNNING_PODS" -eq 0 ]); then
  echo "stopped"
else
  # Other network errors, unexpected HTTP codes, or inconsistent states
  # This includes cases like:
  # - HTTP 5xx errors (service degraded but pods running)
  # - HTTP 4xx errors (authentication/authorization issues)
  # - Partial pod failures (some pods running but not all)
  # - Network timeouts or connection refused
  echo "unknown"
fi
