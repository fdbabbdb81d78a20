package main

import (
	"encoding/json"
	"fmt"

	"github.com/ghodss/yaml"
	"k8s.io/helm/pkg/strvals"
)

// {"base": object, "lines": [{"flag": "set" | "set-string" | "set-file", "line": text, "content": text}]}: what the lines
// make of the base, as JSON and as the YAML that Helm sends. Any path in a line of set-file has the content.
func askStrvals(question json.RawMessage) (interface{}, error) {
	var q struct {
		Base  map[string]interface{} `json:"base"`
		Lines []struct {
			Flag    string `json:"flag"`
			Line    string `json:"line"`
			Content string `json:"content"`
		} `json:"lines"`
	}
	if err := json.Unmarshal(question, &q); err != nil {
		return nil, err
	}
	for _, line := range q.Lines {
		var err error
		switch line.Flag {
		case "set":
			err = strvals.ParseInto(line.Line, q.Base)
		case "set-string":
			err = strvals.ParseIntoString(line.Line, q.Base)
		case "set-file":
			read := func([]rune) (interface{}, error) { return line.Content, nil }
			err = strvals.ParseIntoFile(line.Line, q.Base, read)
		default:
			err = fmt.Errorf("no flag %q", line.Flag)
		}
		if err != nil {
			return nil, err
		}
	}
	answer := map[string]interface{}{"json": q.Base}
	if written, err := yaml.Marshal(q.Base); err == nil {
		answer["yaml"] = string(written)
	}
	return answer, nil
}
