#!/bin/sh
exec systemctl start shop.service
