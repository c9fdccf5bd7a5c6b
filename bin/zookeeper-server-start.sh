#!/usr/bin/env bash
# Kafka needs no ZooKeeper since 4.0, and Ottla never did; scripts that start one go on.
echo "There is no ZooKeeper to start: a node keeps its own metadata (KRaft). Go on with bin/kafka-server-start.sh."
