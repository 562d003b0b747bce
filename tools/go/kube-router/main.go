// kube-router with its NetworkPolicy controller and nothing else: its BGP router and service proxy,
// with what they need of AWS and containers, are most of the stock main's build time, and want more
// rights in the cluster.
package main

import (
	"errors"
	"flag"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/cloudnativelabs/kube-router/v2/pkg/controllers/netpol"
	"github.com/cloudnativelabs/kube-router/v2/pkg/healthcheck"
	"github.com/cloudnativelabs/kube-router/v2/pkg/options"
	"github.com/cloudnativelabs/kube-router/v2/pkg/svcip"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

func main() {
	config := options.NewKubeRouterConfig()
	config.EnableIPv4 = true
	services := ""
	flag.StringVar(&config.Kubeconfig, "kubeconfig", "", "kubeconfig to use")
	flag.StringVar(&config.HostnameOverride, "hostname-override", "", "name of the node")
	flag.StringVar(&services, "service-cluster-ip-range", "", "CIDR of the Services")
	klog.InitFlags(nil)
	flag.Parse()
	config.ClusterIPCIDRs = []string{services}
	if err := run(config); err != nil {
		klog.Exit(err)
	}
}

// run enforces the cluster's policies on this node until a signal. The rules stay.
func run(config *options.KubeRouterConfig) error {
	client, err := connect(config.Kubeconfig)
	if err != nil {
		return err
	}
	ranges, err := svcip.NewValidator(svcip.Config{
		ClusterIPCIDRs: config.ClusterIPCIDRs,
		EnableIPv4:     config.EnableIPv4,
	})
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	pods := factory.Core().V1().Pods().Informer()
	namespaces := factory.Core().V1().Namespaces().Informer()
	policies := factory.Networking().V1().NetworkPolicies().Informer()
	iptables, ipsets, err := netpol.NewIPTablesHandlers(config)
	if err != nil {
		return err
	}
	controller, err := netpol.NewNetworkPolicyController(client, config, pods, policies, namespaces,
		&sync.Mutex{}, nil, iptables, ipsets, ranges)
	if err != nil {
		return err
	}

	stop := make(chan struct{})
	factory.Start(stop)
	for kind, synced := range factory.WaitForCacheSync(stop) {
		if !synced {
			return errors.New("cannot list " + kind.String())
		}
	}
	_, podsErr := pods.AddEventHandler(controller.PodEventHandler)
	_, namespacesErr := namespaces.AddEventHandler(controller.NamespaceEventHandler)
	_, policiesErr := policies.AddEventHandler(controller.NetworkPolicyEventHandler)
	if err := errors.Join(podsErr, namespacesErr, policiesErr); err != nil {
		return err
	}

	beats := make(chan *healthcheck.ControllerHeartbeat)
	go func() { // the controller stops when nobody takes them
		for range beats {
		}
	}()
	var running sync.WaitGroup
	running.Add(1)
	go controller.Run(beats, stop, &running)

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	<-signals
	close(stop)
	running.Wait()
	return nil
}

func connect(kubeconfig string) (kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(config)
}
