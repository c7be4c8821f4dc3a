package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// hostnameLabel is the node label that a volume's affinity selects.
const hostnameLabel = "kubernetes.io/hostname"

// directories makes and removes the directories behind volumes, and nothing
// outside of base.
type directories struct {
	name string
	base string
}

func newDirectories(name, base string) (*directories, error) {
	if !filepath.IsAbs(base) {
		return nil, fmt.Errorf("%q is not an absolute path", base)
	}
	base = filepath.Clean(base)
	if err := os.MkdirAll(base, 0o755); err != nil {
		return nil, err
	}
	return &directories{name: name, base: base}, nil
}

// Provision makes the directory <base>/<node>/<namespace>-<claim>-<volume>.
func (d *directories) Provision(_ context.Context, options controller.ProvisionOptions) (*v1.PersistentVolume, controller.ProvisioningState, error) {
	claim := options.PVC
	if claim.Spec.Selector != nil {
		return nil, controller.ProvisioningFinished, errors.New("claim selectors are not supported")
	}
	if mode := claim.Spec.VolumeMode; mode != nil && *mode == v1.PersistentVolumeBlock {
		return nil, controller.ProvisioningFinished, errors.New("block volumes are not supported")
	}
	// Our kubelets' hostname label is their node name, so the affinity needs no
	// look at the Node object.
	node := options.SelectedNodeName
	if node == "" {
		return nil, controller.ProvisioningFinished, errors.New("no node selected: the storage class needs volumeBindingMode WaitForFirstConsumer")
	}

	path := filepath.Join(d.base, node, claim.Namespace+"-"+claim.Name+"-"+options.PVName)
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	// Open to every uid, whatever the umask: pods without an fsGroup write too.
	if err := os.Chmod(path, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, err
	}

	return &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: options.PVName},
		Spec: v1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *options.StorageClass.ReclaimPolicy,
			AccessModes:                   claim.Spec.AccessModes,
			MountOptions:                  options.StorageClass.MountOptions,
			Capacity: v1.ResourceList{
				v1.ResourceStorage: claim.Spec.Resources.Requests[v1.ResourceStorage],
			},
			PersistentVolumeSource: v1.PersistentVolumeSource{
				Local: &v1.LocalVolumeSource{Path: path},
			},
			NodeAffinity: &v1.VolumeNodeAffinity{Required: &v1.NodeSelector{
				NodeSelectorTerms: []v1.NodeSelectorTerm{{
					MatchExpressions: []v1.NodeSelectorRequirement{{
						Key: hostnameLabel, Operator: v1.NodeSelectorOpIn, Values: []string{node},
					}},
				}},
			}},
		},
	}, controller.ProvisioningFinished, nil
}

// Delete removes a volume's directory; one that is gone already is no error.
func (d *directories) Delete(_ context.Context, volume *v1.PersistentVolume) error {
	if volume.Spec.Local == nil {
		return fmt.Errorf("volume %s is not a local volume", volume.Name)
	}
	path := filepath.Clean(volume.Spec.Local.Path)
	if !strings.HasPrefix(path, d.base+string(filepath.Separator)) {
		return fmt.Errorf("volume %s lies at %s, outside of %s", volume.Name, path, d.base)
	}
	return os.RemoveAll(path)
}
