package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/golang/protobuf/proto"
	"k8s.io/helm/pkg/chartutil"
	"k8s.io/helm/pkg/proto/hapi/chart"
	"k8s.io/helm/pkg/renderutil"
)

// {"chart": base64, "values": text}: the chart that the client sends, as a message, or what it refuses it with.
//
// The question is a message and no archive, because Helm loads sub-charts in no order.
func askRequirements(question json.RawMessage) (interface{}, error) {
	var q struct {
		Chart  []byte `json:"chart"`
		Values string `json:"values"`
	}
	if err := json.Unmarshal(question, &q); err != nil {
		return nil, err
	}
	requested := &chart.Chart{}
	if err := proto.Unmarshal(q.Chart, requested); err != nil {
		return nil, err
	}
	// Of bad aliases Helm complains to standard output, which is for answers here.
	nowhere, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	defer nowhere.Close()
	stdout := os.Stdout
	os.Stdout = nowhere
	defer func() { os.Stdout = stdout }()

	if requirements, err := chartutil.LoadRequirements(requested); err == nil {
		if err := renderutil.CheckDependencies(requested, requirements); err != nil {
			return nil, err
		}
	} else if err != chartutil.ErrRequirementsNotFound {
		return nil, fmt.Errorf("cannot load requirements: %v", err)
	}
	if err := chartutil.ProcessRequirementsEnabled(requested, &chart.Config{Raw: q.Values}); err != nil {
		return nil, err
	}
	if err := chartutil.ProcessRequirementsImportValues(requested); err != nil {
		return nil, err
	}
	return message(requested)
}
