package main

import (
	"encoding/json"

	"github.com/ghodss/yaml"
)

// {"yaml": text}: what it says, as JSON.
func askYaml(question json.RawMessage) (interface{}, error) {
	var q struct {
		Yaml string `json:"yaml"`
	}
	if err := json.Unmarshal(question, &q); err != nil {
		return nil, err
	}
	var value interface{}
	if err := yaml.Unmarshal([]byte(q.Yaml), &value); err != nil {
		return nil, err
	}
	return map[string]interface{}{"json": value}, nil
}
