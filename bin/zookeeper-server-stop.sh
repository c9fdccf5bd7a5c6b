#!/usr/bin/env bash
# See zookeeper-server-start.sh.
echo "There is no ZooKeeper to stop."
