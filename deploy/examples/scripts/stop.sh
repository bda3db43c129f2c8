#!/bin/sh
exec systemctl stop shop.service
