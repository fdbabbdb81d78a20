package main

import (
	"bytes"
	"encoding/json"
	"io/ioutil"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"k8s.io/helm/pkg/chartutil"
)

type helmChart struct {
	Name string `json:"name"`
	// Empty if the chart is a directory that Helm cannot load or pack.
	Archive []byte `json:"archive"`
	// What Helm says of a chart that it cannot load or pack.
	Error string `json:"error,omitempty"`
}

// {}: every chart in Helm's own module, by its path there; directories as Helm packs them.
func askCharts(json.RawMessage) (interface{}, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/helm").Output()
	if err != nil {
		return nil, err
	}
	root := strings.TrimSpace(string(out))
	charts := []helmChart{}
	err = filepath.Walk(root, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		switch {
		case info.Mode().IsRegular() && strings.HasSuffix(path, ".tgz"):
			charts = append(charts, archived(path, name))
		case filepath.Base(path) == chartutil.ChartfileName:
			charts = append(charts, packed(filepath.Dir(path), filepath.Dir(name)))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return map[string]interface{}{"charts": charts}, nil
}

func archived(path, name string) helmChart {
	chart := helmChart{Name: name}
	archive, err := ioutil.ReadFile(path)
	if err == nil {
		chart.Archive = archive
		_, err = chartutil.LoadArchive(bytes.NewReader(archive))
	}
	if err != nil {
		chart.Error = err.Error()
	}
	return chart
}

func packed(directory, name string) helmChart {
	archive, err := pack(directory)
	if err != nil {
		return helmChart{Name: name, Error: err.Error()}
	}
	return helmChart{Name: name, Archive: archive}
}

func pack(directory string) ([]byte, error) {
	chart, err := chartutil.LoadDir(directory)
	if err != nil {
		return nil, err
	}
	out, err := ioutil.TempDir("", "oracle-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(out)
	archive, err := chartutil.Save(chart, out)
	if err != nil {
		return nil, err
	}
	return ioutil.ReadFile(archive)
}
