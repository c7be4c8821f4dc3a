// The sandbox process of the local node's pods.
module kafka.sdm.dev/local/pause

go 1.25.0
