package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"k8s.io/helm/pkg/proto/hapi/chart"
	rls "k8s.io/helm/pkg/proto/hapi/services"
)

// What it depends on whether somebody may make a request, and what is noted of it.
type facts struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	DryRun    bool   `json:"dry_run"`
	ReuseName bool   `json:"reuse_name"`
	Purge     bool   `json:"purge"`
	Version   int32  `json:"version"`
	// Name and version; nil without a chart.
	Chart *[2]string `json:"chart"`
	// The SHA-256 of the text; nil without values.
	Values *string `json:"values"`
}

// {"method": name, "message": base64}: what Tiller finds in the message.
func askRequest(question json.RawMessage) (interface{}, error) {
	var q struct {
		Method  string `json:"method"`
		Message []byte `json:"message"`
	}
	if err := json.Unmarshal(question, &q); err != nil {
		return nil, err
	}
	request, err := requestOf(q.Method)
	if err != nil {
		return nil, err
	}
	if err := encoding.GetCodec(proto.Name).Unmarshal(q.Message, request); err != nil {
		return nil, err
	}
	return factsOf(request), nil
}

func requestOf(method string) (interface{}, error) {
	switch method {
	case "GetHistory":
		return &rls.GetHistoryRequest{}, nil
	case "GetReleaseContent":
		return &rls.GetReleaseContentRequest{}, nil
	case "GetReleaseStatus":
		return &rls.GetReleaseStatusRequest{}, nil
	case "GetVersion":
		return &rls.GetVersionRequest{}, nil
	case "InstallRelease":
		return &rls.InstallReleaseRequest{}, nil
	case "ListReleases":
		return &rls.ListReleasesRequest{}, nil
	case "RollbackRelease":
		return &rls.RollbackReleaseRequest{}, nil
	case "RunReleaseTest":
		return &rls.TestReleaseRequest{}, nil
	case "UninstallRelease":
		return &rls.UninstallReleaseRequest{}, nil
	case "UpdateRelease":
		return &rls.UpdateReleaseRequest{}, nil
	}
	return nil, fmt.Errorf("no method %q", method)
}

func factsOf(request interface{}) facts {
	switch r := request.(type) {
	case *rls.GetHistoryRequest:
		return facts{Name: r.Name}
	case *rls.GetReleaseContentRequest:
		return facts{Name: r.Name, Version: r.Version}
	case *rls.GetReleaseStatusRequest:
		return facts{Name: r.Name, Version: r.Version}
	case *rls.InstallReleaseRequest:
		return facts{
			Name: r.Name, Namespace: r.Namespace, DryRun: r.DryRun, ReuseName: r.ReuseName,
			Chart: chartOf(r.Chart), Values: valuesOf(r.Values),
		}
	case *rls.ListReleasesRequest:
		return facts{Namespace: r.Namespace}
	case *rls.RollbackReleaseRequest:
		return facts{Name: r.Name, DryRun: r.DryRun, Version: r.Version}
	case *rls.TestReleaseRequest:
		return facts{Name: r.Name}
	case *rls.UninstallReleaseRequest:
		return facts{Name: r.Name, Purge: r.Purge}
	case *rls.UpdateReleaseRequest:
		return facts{
			Name: r.Name, DryRun: r.DryRun, Chart: chartOf(r.Chart), Values: valuesOf(r.Values),
		}
	}
	return facts{}
}

func chartOf(c *chart.Chart) *[2]string {
	if c == nil {
		return nil
	}
	return &[2]string{c.GetMetadata().GetName(), c.GetMetadata().GetVersion()}
}

func valuesOf(config *chart.Config) *string {
	if config == nil {
		return nil
	}
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(config.Raw)))
	return &digest
}
