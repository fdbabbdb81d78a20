// Asks Helm 2.17's own code. Reads a case a line, writes its answer a line.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io/ioutil"
	"log"
	"os"

	"github.com/ghodss/yaml"
	"github.com/golang/protobuf/proto"
	"k8s.io/helm/pkg/chartutil"
	"k8s.io/helm/pkg/proto/hapi/chart"
)

type question struct {
	Yaml     *string `json:"yaml,omitempty"`
	Metadata *string `json:"metadata,omitempty"`
	Archive  []byte  `json:"archive,omitempty"`
	// With an archive: the values it is coalesced with.
	Values *string `json:"values,omitempty"`
}

type answer struct {
	Json  json.RawMessage `json:"json,omitempty"`
	Proto []byte          `json:"proto,omitempty"`
	Error string          `json:"error,omitempty"`
}

func main() {
	log.SetOutput(ioutil.Discard)
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 64<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for in.Scan() {
		var q question
		if err := json.Unmarshal(in.Bytes(), &q); err != nil {
			log.Fatal(err)
		}
		a, err := ask(q)
		if err != nil {
			a = answer{Error: err.Error()}
		}
		line, err := json.Marshal(a)
		if err != nil {
			log.Fatal(err)
		}
		out.Write(append(line, '\n'))
	}
	if err := in.Err(); err != nil {
		log.Fatal(err)
	}
}

func ask(q question) (answer, error) {
	switch {
	case q.Yaml != nil:
		var v interface{}
		if err := yaml.Unmarshal([]byte(*q.Yaml), &v); err != nil {
			return answer{}, err
		}
		out, err := json.Marshal(v)
		return answer{Json: out}, err
	case q.Metadata != nil:
		m, err := chartutil.UnmarshalChartfile([]byte(*q.Metadata))
		if err != nil {
			return answer{}, err
		}
		out, err := proto.Marshal(m)
		return answer{Proto: out}, err
	}
	c, err := chartutil.LoadArchive(bytes.NewReader(q.Archive))
	if err != nil {
		return answer{}, err
	}
	if q.Values != nil {
		v, err := chartutil.CoalesceValues(c, &chart.Config{Raw: *q.Values})
		if err != nil {
			return answer{}, err
		}
		out, err := json.Marshal(v)
		return answer{Json: out}, err
	}
	out, err := proto.Marshal(c)
	return answer{Proto: out}, err
}
