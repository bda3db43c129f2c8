set -euo pipefail
# Check and control dependencies, such as verifying if the database is the primary instance
# and if the object storage is ready
#####################################
# Add your PostgreSQL start script here.
# This script should promote the secondary PostgreSQL to primary role and ensure
# the database is ready to serve Harbor before starting Harbor components.
#####################################

#####################################
# Add your S3/Object Storage start script here.
# This script should promote the secondary object storage to primary role and ensure
# the storage system is ready to serve Harbor before starting Harbor components.
#####################################

# Start Harbor script - this section is required
HARBOR_NAMESPACE="${HARBOR_NAMESPACE:-harbor-ns}"
HARBOR_NAME="${HARBOR_NAME:-harbor}"
HARBOR_REPLICAS="${HARBOR_REPLICAS:-1}"
kubectl -n "$HARBOR_NAMESPACE" patch harbor "$HARBOR_NAME" --type=merge -p "{\"spec\":{\"helmValues\":{\"core\":{\"replicas\":$HARBOR_REPLICAS},\"portal\":{\"replicas\":$HARBOR_REPLICAS},\"jobservice\":{\"replicas\":$HARBOR_REPLICAS},\"registry\":{\"replicas\":$HARBOR_REPLICAS},\"trivy\":{\"replicas\":$HARBOR_REPLICAS}}}}"
