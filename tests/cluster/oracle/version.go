package main

import (
	"encoding/json"

	"github.com/Masterminds/semver"
)

// {"one": text, "other": text}: their order, and whether it is the opposite of that of the other and the one.
func askVersion(question json.RawMessage) (interface{}, error) {
	var q struct {
		One   string `json:"one"`
		Other string `json:"other"`
	}
	if err := json.Unmarshal(question, &q); err != nil {
		return nil, err
	}
	one, err := semver.NewVersion(q.One)
	if err != nil {
		return nil, err
	}
	other, err := semver.NewVersion(q.Other)
	if err != nil {
		return nil, err
	}
	order := one.Compare(other)
	return map[string]interface{}{"order": order, "antisymmetric": order == -other.Compare(one)}, nil
}

// {"constraint": text, "versions": [text]}: which of them it accepts.
func askConstraint(question json.RawMessage) (interface{}, error) {
	var q struct {
		Constraint string   `json:"constraint"`
		Versions   []string `json:"versions"`
	}
	if err := json.Unmarshal(question, &q); err != nil {
		return nil, err
	}
	constraint, err := semver.NewConstraint(q.Constraint)
	if err != nil {
		return nil, err
	}
	accepts := []bool{}
	for _, text := range q.Versions {
		version, err := semver.NewVersion(text)
		if err != nil {
			return nil, err
		}
		accepts = append(accepts, constraint.Check(version))
	}
	return map[string]interface{}{"accepts": accepts}, nil
}
