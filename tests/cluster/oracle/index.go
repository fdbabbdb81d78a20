package main

import (
	"encoding/json"
	"fmt"
	"io/ioutil"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/Masterminds/semver"
	"k8s.io/helm/cmd/helm/search"
	"k8s.io/helm/pkg/downloader"
	"k8s.io/helm/pkg/getter"
	"k8s.io/helm/pkg/helm/environment"
	"k8s.io/helm/pkg/helm/helmpath"
	"k8s.io/helm/pkg/repo"
)

// {"index": text, "lookups": [[name, version]], "searches": [text]}: the charts that an index.yaml has, the version that
// every lookup finds, and what `helm search` finds in it as that of a repository named "stable".
func askIndex(question json.RawMessage) (interface{}, error) {
	var q struct {
		Index    string      `json:"index"`
		Lookups  [][2]string `json:"lookups"`
		Searches []string    `json:"searches"`
	}
	if err := json.Unmarshal(question, &q); err != nil {
		return nil, err
	}
	index, err := loadIndex(q.Index)
	if err != nil {
		return nil, err
	}
	charts := map[string]interface{}{}
	for name, versions := range index.Entries {
		list := []interface{}{}
		for _, version := range versions {
			if version != nil && version.Metadata != nil {
				list = append(list, entry(version))
			}
		}
		charts[name] = list
	}
	lookups := []interface{}{}
	for _, lookup := range q.Lookups {
		lookups = append(lookups, find(index, lookup[0], lookup[1]))
	}
	searches := []interface{}{}
	for _, text := range q.Searches {
		searches = append(searches, searchFor(index, text))
	}
	return map[string]interface{}{"charts": charts, "lookups": lookups, "searches": searches}, nil
}

// {"base": URL, "reference": text}: the URL that a chart of the repository at base is fetched from.
func askResolve(question json.RawMessage) (interface{}, error) {
	var q struct {
		Base      string `json:"base"`
		Reference string `json:"reference"`
	}
	if err := json.Unmarshal(question, &q); err != nil {
		return nil, err
	}
	home, err := ioutil.TempDir("", "oracle")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(home)
	helm := helmpath.Home(home)
	if err := os.MkdirAll(helm.Cache(), 0755); err != nil {
		return nil, err
	}
	repositories := repo.NewRepoFile()
	repositories.Add(&repo.Entry{Name: "r", URL: q.Base, Cache: "r-index.yaml"})
	if err := repositories.WriteFile(helm.RepositoryFile(), 0644); err != nil {
		return nil, err
	}
	reference, err := json.Marshal(q.Reference)
	if err != nil {
		return nil, err
	}
	index := fmt.Sprintf("apiVersion: v1\nentries: {c: [{name: c, version: 1.0.0, urls: [%s]}]}\n", reference)
	if err := ioutil.WriteFile(helm.CacheIndex("r"), []byte(index), 0644); err != nil {
		return nil, err
	}
	settings := environment.EnvSettings{Home: helm}
	fetch := downloader.ChartDownloader{HelmHome: helm, Getters: getter.All(settings), Out: ioutil.Discard}
	resolved, _, err := fetch.ResolveChartVersion("r/c", "")
	if err != nil {
		return nil, err
	}
	resolved.Fragment = ""
	base, err := url.Parse(q.Base)
	if err != nil {
		return nil, err
	}
	return map[string]interface{}{"url": resolved.String(), "host": resolved.Host, "elsewhere": resolved.Host != base.Host}, nil
}

func loadIndex(text string) (*repo.IndexFile, error) {
	directory, err := ioutil.TempDir("", "oracle")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(directory)
	path := filepath.Join(directory, "index.yaml")
	if err := ioutil.WriteFile(path, []byte(text), 0644); err != nil {
		return nil, err
	}
	// It warns of an old format where there is none.
	stderr := os.Stderr
	os.Stderr = nil
	defer func() { os.Stderr = stderr }()
	return repo.LoadIndexFile(path)
}

func find(index *repo.IndexFile, name, version string) (answer interface{}) {
	defer func() {
		if panicked := recover(); panicked != nil {
			answer = map[string]interface{}{"panic": fmt.Sprint(panicked)}
		}
	}()
	found, err := index.Get(name, version)
	if err != nil {
		return map[string]interface{}{"error": err.Error()}
	}
	return entry(found)
}

func entry(version *repo.ChartVersion) interface{} {
	return map[string]interface{}{
		"title":       version.Name,
		"version":     version.Version,
		"app_version": version.AppVersion,
		"description": version.Description,
		"home":        version.Home,
		"icon":        version.Icon,
		"keywords":    append([]string{}, version.Keywords...),
		"deprecated":  version.Deprecated,
		"has_created": !version.Created.IsZero(),
		"digest":      version.Digest,
		"urls":        append([]string{}, version.URLs...),
	}
}

// As cmd/helm/search.go does it without flags, and with --versions --devel.
func searchFor(index *repo.IndexFile, text string) (answer interface{}) {
	defer func() {
		if panicked := recover(); panicked != nil {
			answer = map[string]interface{}{"panic": fmt.Sprint(panicked)}
		}
	}()
	searchable := search.NewIndex()
	searchable.AddRepo("stable", index, true)
	results := searchable.All()
	if text != "" {
		results = searchable.SearchLiteral(text, 25)
	}
	search.SortScore(results)
	wanted, err := semver.NewConstraint(">0.0.0")
	if err != nil {
		return map[string]interface{}{"error": err.Error()}
	}
	all, shown := [][2]string{}, [][2]string{}
	seen := map[string]bool{}
	for _, result := range results {
		found := [2]string{strings.TrimPrefix(result.Name, "stable/"), result.Chart.Version}
		all = append(all, found)
		version, err := semver.NewVersion(result.Chart.Version)
		if !seen[result.Name] && (err != nil || wanted.Check(version)) {
			seen[result.Name] = true
			shown = append(shown, found)
		}
	}
	return map[string]interface{}{"all": all, "shown": shown}
}
