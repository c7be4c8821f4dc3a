// Command provisioner gives the local node's StorageClass its volumes: a
// directory per claim, handed out as a `local` PersistentVolume bound to the
// node that the scheduler chose.
//
// `local` rather than `hostPath`, because the kubelet honours fsGroup on `local`
// volumes, so that a restricted pod can write to them. A directory has no size of
// its own: the capacity of a volume is a label here, not a limit.
package main

import (
	"context"
	"flag"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

func main() {
	kubeconfig := flag.String("kubeconfig", "", "file that says how to reach the API server")
	name := flag.String("name", "local.kafka.sdm.dev", "provisioner name that storage classes refer to")
	base := flag.String("base", "", "absolute path of the directory that holds the volumes")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	directories, err := newDirectories(*name, *base)
	if err != nil {
		klog.Fatalf("--base: %v", err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		klog.Fatalf("--kubeconfig: %v", err)
	}
	config.QPS, config.Burst = 50, 100
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		klog.Fatalf("client: %v", err)
	}

	// One process for the whole machine: there is nobody to elect a leader among.
	controller.NewProvisionController(ctx, client, *name, directories,
		controller.LeaderElection(false),
		controller.Threadiness(4),
	).Run(ctx)
}
