#!/bin/bash
# A step of a stop: the name points nowhere any more. That it still does holds up no stop.
"${BASH_SOURCE[0]%/*}/dns.sh" --withdraw || echo "the name still points here" >&2
