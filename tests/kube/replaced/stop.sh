set -euo pipefail
# Stop Harbor script - this section is required
HARBOR_NAMESPACE="${HARBOR_NAMESPACE:-harbor-ns}"
HARBOR_NAME="${HARBOR_NAME:-harbor}"
kubectl -n "$HARBOR_NAMESPACE" patch harbor "$HARBOR_NAME" --type=merge -p '{"spec":{"helmValues":{"core":{"replicas":0},"portal":{"replicas":0},"jobservice":{"replicas":0},"registry":{"replicas":0},"trivy":{"replicas":0}}}}'

# Check and control dependencies, such as setting the database to replica mode
#####################################
# Add your PostgreSQL stop script here.
# This script should configure the PostgreSQL cluster to operate as a replica
# and scale down instances when stopping Harbor components.
#####################################

#####################################
# Add your S3/Object Storage stop script here.
# This script should handle any necessary cleanup or configuration changes
# for the object storage when stopping Harbor components.
#####################################
