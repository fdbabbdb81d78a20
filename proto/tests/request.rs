//! What a request asks for is what Tiller reads, however it is written.

use proptest::prelude::*;
use prost::Message;
use tiller_api::{
    hapi::{
        chart::{Chart, Config, Metadata},
        services::tiller::{
            GetHistoryRequest, GetReleaseContentRequest, InstallReleaseRequest,
            ListReleasesRequest, RollbackReleaseRequest, TestReleaseRequest,
            UninstallReleaseRequest, UpdateReleaseRequest,
        },
    },
    request,
    wire::put,
};

fn text() -> impl Strategy<Value = String> {
    ".{0,8}"
}

fn chart() -> impl Strategy<Value = Option<Chart>> {
    let metadata = (text(), text(), text()).prop_map(|(name, version, home)| Metadata {
        name,
        version,
        home,
        ..Metadata::default()
    });
    proptest::option::of(proptest::option::of(metadata).prop_map(|metadata| Chart {
        dependencies: metadata.iter().map(|_| Chart::default()).collect(),
        metadata,
        ..Chart::default()
    }))
}

fn config() -> impl Strategy<Value = Option<Config>> {
    proptest::option::of(text().prop_map(|raw| Config {
        raw,
        ..Config::default()
    }))
}

fn install() -> impl Strategy<Value = InstallReleaseRequest> {
    (
        chart(),
        config(),
        text(),
        text(),
        any::<[bool; 4]>(),
        any::<i64>(),
    )
        .prop_map(
            |(chart, values, name, namespace, [dry_run, reuse_name, wait, sub_notes], timeout)| {
                InstallReleaseRequest {
                    chart,
                    values,
                    name,
                    namespace,
                    dry_run,
                    reuse_name,
                    wait,
                    sub_notes,
                    timeout,
                    ..InstallReleaseRequest::default()
                }
            },
        )
}

fn update() -> impl Strategy<Value = UpdateReleaseRequest> {
    (chart(), config(), text(), any::<[bool; 3]>()).prop_map(
        |(chart, values, name, [dry_run, force, reuse_values])| UpdateReleaseRequest {
            chart,
            values,
            name,
            dry_run,
            force,
            reuse_values,
            ..UpdateReleaseRequest::default()
        },
    )
}

/// Both, one behind the other, with a field between them that nobody knows.
fn joined(first: &impl Message, second: &impl Message) -> Vec<u8> {
    let mut message = first.encode_to_vec();
    put(&mut message, 3000, b"later");
    message.extend(second.encode_to_vec());
    message
}

fn decoded<M: Message + Default>(message: &[u8]) -> M {
    M::decode(message).unwrap()
}

fn light_chart(chart: Option<&Chart>) -> Option<request::Chart> {
    chart.map(|chart| request::Chart {
        metadata: chart.metadata.as_ref().map(|metadata| request::Metadata {
            name: metadata.name.clone(),
            version: metadata.version.clone(),
        }),
    })
}

fn light_config(config: Option<&Config>) -> Option<request::Config> {
    config.map(|config| request::Config {
        raw: config.raw.clone().into(),
    })
}

proptest! {
    #[test]
    fn an_install_is_read_as_tiller_reads_it(first in install(), second in install()) {
        let message = joined(&first, &second);
        let whole: InstallReleaseRequest = decoded(&message);
        let expected = request::InstallRelease {
            chart: light_chart(whole.chart.as_ref()),
            values: light_config(whole.values.as_ref()),
            dry_run: whole.dry_run,
            name: whole.name,
            namespace: whole.namespace,
            reuse_name: whole.reuse_name,
        };
        prop_assert_eq!(decoded::<request::InstallRelease>(&message), expected);
    }

    #[test]
    fn an_upgrade_is_read_as_tiller_reads_it(first in update(), second in update()) {
        let message = joined(&first, &second);
        let whole: UpdateReleaseRequest = decoded(&message);
        let expected = request::UpdateRelease {
            name: whole.name,
            chart: light_chart(whole.chart.as_ref()),
            values: light_config(whole.values.as_ref()),
            dry_run: whole.dry_run,
        };
        prop_assert_eq!(decoded::<request::UpdateRelease>(&message), expected);
    }

    #[test]
    fn every_other_request_is_read_as_tiller_reads_it(
        name in text(), other in text(), version: i32, flag: bool,
    ) {
        let rollback = RollbackReleaseRequest {
            name: name.clone(), version, dry_run: flag, wait: true, ..Default::default()
        };
        let message = joined(&RollbackReleaseRequest { name: other.clone(), ..Default::default() }, &rollback);
        let whole: RollbackReleaseRequest = decoded(&message);
        let light: request::RollbackRelease = decoded(&message);
        prop_assert_eq!(
            (light.name, light.version, light.dry_run),
            (whole.name, whole.version, whole.dry_run)
        );

        let uninstall = UninstallReleaseRequest {
            name: name.clone(), purge: flag, timeout: 1, ..Default::default()
        };
        let message = joined(&UninstallReleaseRequest { purge: true, ..Default::default() }, &uninstall);
        let whole: UninstallReleaseRequest = decoded(&message);
        let light: request::UninstallRelease = decoded(&message);
        prop_assert_eq!((light.name, light.purge), (whole.name, whole.purge));

        let content = GetReleaseContentRequest { name: name.clone(), version };
        let message = joined(&GetReleaseContentRequest { name: other.clone(), version: 1 }, &content);
        let whole: GetReleaseContentRequest = decoded(&message);
        let light: request::GetRelease = decoded(&message);
        prop_assert_eq!((light.name, light.version), (whole.name, whole.version));

        let history = GetHistoryRequest { name: name.clone(), max: version };
        let light: request::GetHistory = decoded(&history.encode_to_vec());
        prop_assert_eq!(light.name, history.name);

        let test = TestReleaseRequest { name: name.clone(), cleanup: flag, ..Default::default() };
        let light: request::RunReleaseTest = decoded(&test.encode_to_vec());
        prop_assert_eq!(light.name, test.name);

        let list = ListReleasesRequest { namespace: other, filter: name, ..Default::default() };
        let light: request::ListReleases = decoded(&list.encode_to_vec());
        prop_assert_eq!(light.namespace, list.namespace);
    }

    #[test]
    fn no_bytes_make_reading_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let whole = InstallReleaseRequest::decode(&bytes[..]);
        let light = request::InstallRelease::decode(&bytes[..]);
        if let (Ok(whole), Ok(light)) = (whole, light) {
            prop_assert_eq!((whole.name, whole.namespace), (light.name, light.namespace));
        }
    }
}
