//! Messages, right and wrong, field by field: an encoder that knows no rules.

/// A message of protobuf.
#[derive(Clone, Default)]
pub(crate) struct Message(Vec<u8>);

impl Message {
    /// With these bytes, whatever they are.
    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// With a number.
    pub(crate) fn number(self, field: u32, value: u64) -> Self {
        self.varint(u64::from(field) << 3).varint(value)
    }

    /// With a text.
    pub(crate) fn text(self, field: u32, text: &str) -> Self {
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
        self.varint(u64::from(field) << 3 | 2)
            .varint(length)
            .bytes(text.as_bytes())
    }

    /// With a message.
    pub(crate) fn message(self, field: u32, message: &Self) -> Self {
        let length = u64::try_from(message.0.len()).unwrap_or(u64::MAX);
        self.varint(u64::from(field) << 3 | 2)
            .varint(length)
            .bytes(&message.0)
    }

    /// With a group, which no message of Tiller's has.
    pub(crate) fn group(self, field: u32, message: &Self) -> Self {
        self.varint(u64::from(field) << 3 | 3)
            .bytes(&message.0)
            .varint(u64::from(field) << 3 | 4)
    }

    /// Its bytes.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// In a frame with those flags.
    pub(crate) fn framed(&self, flags: u8) -> Vec<u8> {
        let length = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        let mut frame = vec![flags];
        frame.extend(length.to_be_bytes());
        frame.extend_from_slice(&self.0);
        frame
    }

    fn varint(mut self, mut value: u64) -> Self {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }
}

/// The fields of the requests that are forged here.
pub(crate) mod field {
    /// `GetReleaseStatus`, `GetReleaseContent`, `GetHistory`, `UpdateRelease`, `RollbackRelease`, `UninstallRelease`,
    /// `RunReleaseTest`.
    pub(crate) const NAME: u32 = 1;

    /// Of `InstallRelease`.
    pub(crate) mod install {
        pub(crate) const CHART: u32 = 1;
        pub(crate) const VALUES: u32 = 2;
        pub(crate) const DRY_RUN: u32 = 3;
        pub(crate) const NAME: u32 = 4;
        pub(crate) const NAMESPACE: u32 = 6;
        pub(crate) const REUSE_NAME: u32 = 7;
    }

    /// Of `UpdateRelease`.
    pub(crate) mod upgrade {
        pub(crate) const CHART: u32 = 2;
        pub(crate) const VALUES: u32 = 3;
        pub(crate) const DRY_RUN: u32 = 4;
    }

    /// Of `GetHistory`.
    pub(crate) const MAX: u32 = 2;

    /// Of `UninstallRelease`.
    pub(crate) const PURGE: u32 = 3;
}

/// A chart with one ConfigMap.
pub(crate) fn chart(name: &str, version: &str) -> Message {
    let object = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-forged\n";
    let template = Message::default()
        .text(1, "templates/map.yaml")
        .text(2, object);
    metadata(name, version).message(2, &template)
}

/// A chart with nothing in it.
pub(crate) fn metadata(name: &str, version: &str) -> Message {
    let metadata = Message::default().text(1, name).text(4, version);
    Message::default().message(1, &metadata)
}

/// An install of such a chart under a name, into a namespace.
pub(crate) fn install(name: &str, namespace: &str) -> Message {
    install_of(&chart("forged", "1.0.0"), name, namespace)
}

/// An install of that chart.
pub(crate) fn install_of(chart: &Message, name: &str, namespace: &str) -> Message {
    use field::install::{CHART, NAME, NAMESPACE, VALUES};
    Message::default()
        .message(CHART, chart)
        .message(VALUES, &Message::default())
        .text(NAME, name)
        .text(NAMESPACE, namespace)
}

/// An upgrade of a release to such a chart.
pub(crate) fn upgrade(name: &str) -> Message {
    use field::upgrade::{CHART, VALUES};
    Message::default()
        .text(field::NAME, name)
        .message(CHART, &chart("forged", "1.0.0"))
        .message(VALUES, &Message::default())
}

/// A request with nothing but a name.
pub(crate) fn named(name: &str) -> Message {
    Message::default().text(field::NAME, name)
}
