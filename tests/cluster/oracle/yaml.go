package main

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode"

	"github.com/ghodss/yaml"
)

// {"yaml": text}: what it says, as JSON.
func askYaml(question json.RawMessage) (interface{}, error) {
	value, err := readYaml(question)
	if err != nil {
		return nil, err
	}
	return map[string]interface{}{"json": value}, nil
}

// {"json": value}: the YAML that Helm writes for it, what it reads in that, and whether it would write the same again.
// Whole numbers without a point are integers, as those of `--set` are.
func askMarshal(question json.RawMessage) (interface{}, error) {
	var q struct {
		JSON interface{} `json:"json"`
	}
	decoder := json.NewDecoder(bytes.NewReader(question))
	decoder.UseNumber()
	if err := decoder.Decode(&q); err != nil {
		return nil, err
	}
	value := typed(q.JSON)
	written, err := yaml.Marshal(value)
	if err != nil {
		return nil, err
	}
	answer := map[string]interface{}{"yaml": string(written), "ordered": ordered(value)}
	var read interface{}
	if err := yaml.Unmarshal(written, &read); err == nil {
		answer["read"] = read
	}
	return answer, nil
}

// {"yaml": text}: the YAML that Helm writes for what it reads in it.
func askRewrite(question json.RawMessage) (interface{}, error) {
	value, err := readYaml(question)
	if err != nil {
		return nil, err
	}
	written, err := yaml.Marshal(value)
	if err != nil {
		return nil, err
	}
	return map[string]interface{}{"yaml": string(written)}, nil
}

func readYaml(question json.RawMessage) (interface{}, error) {
	var q struct {
		Yaml string `json:"yaml"`
	}
	if err := json.Unmarshal(question, &q); err != nil {
		return nil, err
	}
	var value interface{}
	err := yaml.Unmarshal([]byte(q.Yaml), &value)
	return value, err
}

func typed(value interface{}) interface{} {
	switch value := value.(type) {
	case []interface{}:
		for at, item := range value {
			value[at] = typed(item)
		}
	case map[string]interface{}:
		for key, item := range value {
			value[key] = typed(item)
		}
	case json.Number:
		if integer, err := strconv.ParseInt(value.String(), 10, 64); err == nil {
			return integer
		}
		if integer, err := strconv.ParseUint(value.String(), 10, 64); err == nil {
			return integer
		}
		float, _ := value.Float64()
		return float
	}
	return value
}

// Whether the keys of all mappings in it have one order. In a circle of keys the one of a mapping in memory decides,
// which is random. Characters that this Go does not know may be letters to a later one.
func ordered(value interface{}) bool {
	switch value := value.(type) {
	case []interface{}:
		for _, item := range value {
			if !ordered(item) {
				return false
			}
		}
	case map[string]interface{}:
		ranks := map[int]bool{}
		for key, item := range value {
			if !ordered(item) {
				return false
			}
			if strings.ContainsFunc(key, unassigned) {
				return false
			}
			rank := 0
			for other := range value {
				if other != key && precedes(other, key) {
					rank++
				}
			}
			ranks[rank] = true
		}
		return len(ranks) == len(value)
	}
	return true
}

func unassigned(character rune) bool {
	return unicode.Is(unicode.Cn, character)
}

func precedes(one, other string) bool {
	written, err := yaml.Marshal(map[string]int{one: 0, other: 1})
	return err == nil && bytes.HasSuffix(written, []byte(": 1\n"))
}
