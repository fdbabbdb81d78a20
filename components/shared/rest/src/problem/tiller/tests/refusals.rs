//! What Tiller says before it has done anything.

use super::*;

#[test]
fn refusals_have_their_own_codes_and_are_proven_not_applied() {
    for (method, text, code, http) in [
        (
            UpdateRelease,
            "no release provided",
            Code::InvalidReleaseName,
            400,
        ),
        (
            GetReleaseStatus,
            "invalid release name, must match regex ^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])+$ and the length must not be longer than 53",
            Code::InvalidReleaseName,
            400,
        ),
        (
            RollbackRelease,
            "invalid release name, must match regex ^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])+$ and the length must not longer than 53",
            Code::InvalidReleaseName,
            400,
        ),
        (
            InstallRelease,
            "release name \"aaaa\" exceeds max length of 53",
            Code::InvalidReleaseName,
            400,
        ),
        (
            GetHistory,
            "invalid label value: \"a..\": a valid label must be an empty string or consist of",
            Code::InvalidReleaseName,
            400,
        ),
        (
            RollbackRelease,
            "invalid release revision",
            Code::InvalidRequest,
            400,
        ),
        (
            ListReleases,
            "offset \"web\" not found",
            Code::InvalidRequest,
            400,
        ),
        (
            ListReleases,
            "error parsing regexp: missing closing ): `(`",
            Code::InvalidRequest,
            400,
        ),
        (
            InstallRelease,
            "no chart provided",
            Code::InvalidRequest,
            400,
        ),
        (
            GetReleaseContent,
            "release: \"web\" not found",
            Code::ReleaseNotFound,
            404,
        ),
        (
            GetHistory,
            "release: \"web\" not found",
            Code::ReleaseNotFound,
            404,
        ),
        (
            UninstallRelease,
            "release: \"web\" not found",
            Code::ReleaseNotFound,
            404,
        ),
        (
            UpdateRelease,
            "release: \"web\" not found",
            Code::ReleaseNotFound,
            404,
        ),
        (
            RunReleaseTest,
            "release: \"web\" not found",
            Code::ReleaseNotFound,
            404,
        ),
        (GetHistory, "release: not found", Code::ReleaseNotFound, 404),
        (
            GetReleaseStatus,
            "getting deployed release \"web\": release: \"web\" not found",
            Code::ReleaseNotFound,
            404,
        ),
        (
            GetReleaseStatus,
            "getting deployed release \"a.v1\": release: \"a.v1\" not found",
            Code::ReleaseNotFound,
            404,
        ),
        (
            GetReleaseStatus,
            "getting deployed release \"web\": release: not found",
            Code::ReleaseNotFound,
            404,
        ),
        (
            GetReleaseStatus,
            "getting release 'web' (v7): release: \"web.v7\" not found",
            Code::RevisionNotFound,
            404,
        ),
        (
            GetReleaseContent,
            "release: \"web.v7\" not found",
            Code::RevisionNotFound,
            404,
        ),
        (
            RollbackRelease,
            "release: \"web.v0\" not found",
            Code::RevisionNotFound,
            404,
        ),
        (
            GetReleaseStatus,
            "no revision for release \"web\"",
            Code::ReleaseNotFound,
            404,
        ),
        (
            GetReleaseStatus,
            "getting deployed release \"web\": no revision for release \"web\"",
            Code::ReleaseNotFound,
            404,
        ),
        (
            UninstallRelease,
            "no release provided",
            Code::ReleaseNotFound,
            404,
        ),
        (
            InstallRelease,
            "a release named web already exists.\nRun: helm ls --all web; to check the status of the release\nOr run: helm del --purge web; to delete it",
            Code::ReleaseExists,
            409,
        ),
        (
            InstallRelease,
            "a release named web is in use, cannot re-use a name that is still in use",
            Code::ReleaseInUse,
            409,
        ),
        (
            UpdateRelease,
            "a release named web is in use, cannot re-use a name that is still in use",
            Code::ReleaseInUse,
            409,
        ),
        (
            UninstallRelease,
            "the release named \"web\" is already deleted",
            Code::ReleaseAlreadyDeleted,
            409,
        ),
        (
            UpdateRelease,
            "\"web\" has no deployed releases",
            Code::NoDeployedRelease,
            409,
        ),
        (
            UpdateRelease,
            "another operation (install/upgrade/rollback) is in progress",
            Code::OperationInProgress,
            409,
        ),
        (
            UpdateRelease,
            "release: \"web.v3\" already exists",
            Code::OperationInProgress,
            409,
        ),
        (
            RollbackRelease,
            "release: \"web\" already exists",
            Code::OperationInProgress,
            409,
        ),
        (
            InstallRelease,
            "Chart incompatible with Tiller v2.17.0",
            Code::ChartIncompatible,
            422,
        ),
        (
            InstallRelease,
            "Chart requires kubernetesVersion: >=1.30 which is incompatible with Kubernetes v1.16.15",
            Code::ChartIncompatible,
            422,
        ),
        (
            InstallRelease,
            "render error in \"web/templates/a.yaml\": template: web/templates/a.yaml:1:3: executing",
            Code::RenderFailed,
            422,
        ),
        (
            UpdateRelease,
            "parse error in \"web/templates/a.yaml\": template: web/templates/a.yaml:1: unexpected",
            Code::RenderFailed,
            422,
        ),
        (
            InstallRelease,
            "rendering template failed: runtime error: index out of range",
            Code::RenderFailed,
            422,
        ),
        (
            InstallRelease,
            "YAML parse error on web/templates/a.yaml: error converting YAML to JSON: yaml: line 1",
            Code::RenderFailed,
            422,
        ),
        (
            InstallRelease,
            "validation failed: unable to recognize \"\": no matches for kind \"X\" in version \"v1\"",
            Code::ValidationFailed,
            422,
        ),
        (
            InstallRelease,
            "error converting YAML to JSON: yaml: line 2: did not find expected node content",
            Code::InvalidValues,
            422,
        ),
        (
            InstallRelease,
            "error unmarshaling JSON: json: cannot unmarshal array into Go value",
            Code::InvalidValues,
            422,
        ),
        (
            InstallRelease,
            "type mismatch on sub: %!t(float64=5)",
            Code::InvalidValues,
            422,
        ),
        (
            InstallRelease,
            "Error: Reading chart 'web' default values (a: [): error converting YAML to JSON",
            Code::InvalidChart,
            422,
        ),
    ] {
        check(method, text, code, http, Blame::Caller, NotApplied);
    }
}
