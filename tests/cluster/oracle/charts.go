package main

import (
	"bytes"
	"encoding/json"

	"github.com/golang/protobuf/proto"
	"k8s.io/helm/pkg/chartutil"
	"k8s.io/helm/pkg/proto/hapi/chart"
)

// {"archive": base64}: the chart in it, as a message.
func askArchive(question json.RawMessage) (interface{}, error) {
	chart, err := load(question)
	if err != nil {
		return nil, err
	}
	return message(chart)
}

// {"archive": base64, "values": text}: the values that its templates see, as JSON.
func askCoalesce(question json.RawMessage) (interface{}, error) {
	var q struct {
		Values string `json:"values"`
	}
	if err := json.Unmarshal(question, &q); err != nil {
		return nil, err
	}
	loaded, err := load(question)
	if err != nil {
		return nil, err
	}
	values, err := chartutil.CoalesceValues(loaded, &chart.Config{Raw: q.Values})
	if err != nil {
		return nil, err
	}
	return map[string]interface{}{"json": values}, nil
}

// {"metadata": text}: a Chart.yaml, as a message.
func askMetadata(question json.RawMessage) (interface{}, error) {
	var q struct {
		Metadata string `json:"metadata"`
	}
	if err := json.Unmarshal(question, &q); err != nil {
		return nil, err
	}
	metadata, err := chartutil.UnmarshalChartfile([]byte(q.Metadata))
	if err != nil {
		return nil, err
	}
	return message(metadata)
}

func load(question json.RawMessage) (*chart.Chart, error) {
	var q struct {
		Archive []byte `json:"archive"`
	}
	if err := json.Unmarshal(question, &q); err != nil {
		return nil, err
	}
	return chartutil.LoadArchive(bytes.NewReader(q.Archive))
}

func message(m proto.Message) (interface{}, error) {
	encoded, err := proto.Marshal(m)
	if err != nil {
		return nil, err
	}
	return map[string]interface{}{"proto": encoded}, nil
}
