use super::*;

fn read(text: &str) -> Result<Vec<Object>, DocumentError> {
    Reader::new().read(text.as_bytes())
}

/// Kind, namespace and name of each object.
fn found(text: &str) -> Vec<String> {
    read(text)
        .unwrap()
        .iter()
        .map(|object| format!("{} {}/{}", object.kind, object.namespace, object.name))
        .collect()
}

fn refused(text: &str) -> DocumentError {
    read(text).unwrap_err()
}

#[test]
fn a_manifest_of_tiller_is_cut_where_tiller_cuts_it() {
    let manifest = "\n---\n# Source: web/templates/a.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  \
                    namespace: other\n---\n# Source: web/templates/b.yaml\napiVersion: apps/v1\nkind: Deployment\n\
                    metadata: {name: b}\n--- \t\n# nothing\n---\n\n---\n";
    assert_eq!(found(manifest), ["ConfigMap other/a", "Deployment /b"]);
}

#[test]
fn a_line_that_only_begins_with_dashes_ends_nothing() {
    // As in Tiller: the piece is one, and its first document is all that counts.
    let text = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n--- # more\napiVersion: v1\nkind: Secret\n";
    assert_eq!(found(text), ["Service /a"]);
}

#[test]
fn json_objects_in_a_row_are_all_found() {
    let row = r#" {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}
        {"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"b"}}"#;
    assert_eq!(found(row), ["ConfigMap /a", "ClusterRoleBinding /b"]);
    let flow = "{apiVersion: v1, kind: ConfigMap}";
    assert!(matches!(refused(flow), DocumentError::Json(_)));
}

#[test]
fn whatever_has_items_is_a_list() {
    let list = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: a}}\n\
                - apiVersion: v1\n  kind: List\n  items: [{apiVersion: v1, kind: Pod, metadata: {name: b}}]\n";
    assert_eq!(found(list), ["Secret /a", "Pod /b"]);

    let disguised = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nitems:\n\
                     - {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: b}}\n";
    assert_eq!(found(disguised), ["ConfigMap /a", "ClusterRole /b"]);

    let typed = "apiVersion: apps/v1\nkind: DeploymentList\nitems: [{metadata: {name: a}}]\n";
    let objects = read(typed).unwrap();
    assert_eq!(objects[0].kind, "Deployment");
    assert_eq!(objects[0].api_version, "apps/v1");
    assert_eq!(
        found("{\"apiVersion\":\"v1\",\"kind\":\"PodList\",\"items\":null}"),
        [""; 0]
    );
}

#[test]
fn keys_that_go_would_take_for_others_are_refused() {
    for key in [
        "Kind",
        "KIND",
        "APIVersion",
        "Items",
        "item\u{17f}",
        "\u{212a}ind",
        "Metadata",
    ] {
        let text = format!("apiVersion: v1\nkind: ConfigMap\n{key}: x\n");
        assert!(
            matches!(refused(&text), DocumentError::Key(found) if found == key),
            "{key}"
        );
    }
}

#[test]
fn what_an_object_is_must_be_written() {
    for (text, field) in [
        ("kind: ConfigMap\n", "apiVersion"),
        ("apiVersion: v1\n", "kind"),
        ("apiVersion: v1\nkind: [ConfigMap]\n", "kind"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: x\n", "metadata"),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 7}\n",
            "name",
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {namespace: [a]}\n",
            "namespace",
        ),
        ("apiVersion: v1\nkind: List\nitems: {}\n", "items"),
    ] {
        assert!(
            matches!(refused(text), DocumentError::Field(found) if found == field),
            "{text}"
        );
    }
    assert!(matches!(refused("just text\n"), DocumentError::NotAnObject));
    assert!(matches!(
        refused("[{apiVersion: v1, kind: Pod}]"),
        DocumentError::NotAnObject
    ));
    assert!(matches!(refused("a: [\n"), DocumentError::Yaml(_)));
    assert!(matches!(
        Reader::new().read(b"kind: \xff"),
        Err(DocumentError::NotUtf8)
    ));
}

#[test]
fn the_last_of_equal_keys_counts_as_in_go() {
    let text = "apiVersion: v1\nkind: ConfigMap\nkind: Secret\nmetadata: {name: a, name: b}\n";
    assert_eq!(found(text), ["Secret /b"]);
    let json = r#"{"apiVersion":"v1","kind":"ConfigMap","kind":"Secret","metadata":{"name":"a"}}"#;
    assert_eq!(found(json), ["Secret /a"]);
}

#[test]
fn bindings_name_their_role_and_definitions_their_kind() {
    let binding = "apiVersion: rbac.authorization.k8s.io/v1beta1\nkind: RoleBinding\nmetadata: {name: a}\n\
                   roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: admin}\n";
    let role = read(binding).unwrap()[0].role.clone().unwrap();
    assert_eq!(
        (role.kind.as_str(), role.name.as_str()),
        ("ClusterRole", "admin")
    );

    let definition = "apiVersion: apiextensions.k8s.io/v1beta1\nkind: CustomResourceDefinition\nspec:\n  group: e.io\n  \
                      version: v1\n  versions: [{name: v1}, {name: v2}]\n  scope: Cluster\n  names: {kind: Backup, \
                      plural: backups}\n";
    let defined = read(definition).unwrap()[0].defines.clone().unwrap();
    assert_eq!(defined.versions, ["v1", "v2", "v1"]);
    assert!(!defined.namespaced);
    assert_eq!(
        (defined.kind.as_str(), defined.plural.as_str()),
        ("Backup", "backups")
    );
}

#[test]
fn limits_hold_for_all_texts_together() {
    let mut reader = Reader::new();
    let one = b"apiVersion: v1\nkind: ConfigMap\n";
    for _ in 0..MOST_OBJECTS {
        reader.read(one).unwrap();
    }
    assert!(matches!(reader.read(one), Err(DocumentError::TooMuch)));

    let bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n\
                c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n\
                apiVersion: v1\nkind: ConfigMap\n";
    let mut reader = Reader::new();
    let stop = (0..1000).find(|_| reader.read(bomb.as_bytes()).is_err());
    assert!(
        stop.is_some_and(|times| times > 10 && times < 200),
        "{stop:?}"
    );

    let deep = format!(
        "{}[]{}",
        "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[".repeat(20),
        "]}".repeat(20)
    );
    assert!(read(&deep).is_err());
}
