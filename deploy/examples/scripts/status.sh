#!/bin/sh
# Prints whether the unit runs; anything between running and stopped is unknown.
case $(systemctl show --property=ActiveState --value shop.service) in
active | reloading) echo started ;;
inactive | failed) echo stopped ;;
*) echo unknown ;;
esac
