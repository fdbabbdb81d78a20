// Asks Helm 2.17's own code. Reads a question a line, writes its answer a line.
//
// A question is {"ask": topic, …}; every topic has a file, with what else its questions hold. An answer is what the
// topic's function returns, or {"error": text}. A panic of Helm's is an error too, since Helm's users see one.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io/ioutil"
	"log"
	"os"
)

type topic func(question json.RawMessage) (interface{}, error)

var topics = map[string]topic{
	"archive":      askArchive,
	"charts":       askCharts,
	"coalesce":     askCoalesce,
	"constraint":   askConstraint,
	"index":        askIndex,
	"marshal":      askMarshal,
	"metadata":     askMetadata,
	"request":      askRequest,
	"requirements": askRequirements,
	"resolve":      askResolve,
	"rewrite":      askRewrite,
	"strvals":      askStrvals,
	"version":      askVersion,
	"yaml":         askYaml,
}

func main() {
	log.SetOutput(ioutil.Discard)
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 256<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for in.Scan() {
		answer, err := ask(in.Bytes())
		if err != nil {
			answer = map[string]string{"error": err.Error()}
		}
		line, err := json.Marshal(answer)
		if err != nil {
			line, _ = json.Marshal(map[string]string{"error": err.Error()})
		}
		out.Write(append(line, '\n'))
	}
	if err := in.Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func ask(line []byte) (answer interface{}, err error) {
	var question struct {
		Ask string `json:"ask"`
	}
	if err := json.Unmarshal(line, &question); err != nil {
		return nil, err
	}
	topic, known := topics[question.Ask]
	if !known {
		return nil, fmt.Errorf("no topic %q", question.Ask)
	}
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("panic: %v", panicked)
		}
	}()
	return topic(json.RawMessage(line))
}
