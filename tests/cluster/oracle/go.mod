// Helm 2.17's own code, at the versions that its glide.lock names.
module oracle

go 1.26

require (
	github.com/ghodss/yaml v1.0.1-0.20180820084758-c7ce16629ff4
	github.com/golang/protobuf v1.3.2
	google.golang.org/grpc v1.19.0
	k8s.io/helm v2.17.0+incompatible
)

require github.com/spf13/pflag v1.0.3 // indirect

require (
	github.com/BurntSushi/toml v0.3.1 // indirect
	github.com/Masterminds/goutils v1.1.0 // indirect
	github.com/Masterminds/semver v1.5.0
	github.com/Masterminds/sprig v2.22.0+incompatible // indirect
	github.com/cyphar/filepath-securejoin v0.2.2 // indirect
	github.com/gobwas/glob v0.2.3 // indirect
	github.com/google/uuid v1.1.1 // indirect
	github.com/huandu/xstrings v1.2.0 // indirect
	github.com/imdario/mergo v0.3.5 // indirect
	github.com/mitchellh/copystructure v1.0.0 // indirect
	github.com/mitchellh/reflectwalk v1.0.1 // indirect
	github.com/pkg/errors v0.9.1 // indirect
	golang.org/x/crypto v0.0.0-20190621222207-cc06ce4a13d4 // indirect
	golang.org/x/net v0.0.0-20190812203447-cdfb69ac37fc // indirect
	golang.org/x/sys v0.0.0-20190616124812-15dcb6c0061f // indirect
	golang.org/x/text v0.3.2 // indirect
	google.golang.org/genproto v0.0.0-20190502173448-54afdca5d873 // indirect
	gopkg.in/yaml.v2 v2.2.4 // indirect
	k8s.io/apimachinery v0.0.0-20191004115801-a2eda9f80ab8 // indirect
	k8s.io/client-go v0.0.0-20191016111102-bec269661e48 // indirect
)

// glide.lock's; genproto asks for v1.19.0.
replace google.golang.org/grpc => google.golang.org/grpc v1.18.0
