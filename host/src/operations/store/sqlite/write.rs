//! What is stored, and when it is not.
//!
//! Everything here is done in a transaction of the [`Desk`]'s, whole or not at all: memory is touched last, when nothing
//! can fail any more.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{OptionalExtension, params};

use super::desk::Desk;
use super::fault::Fault;
use super::record::{Columns, decode, digest, encode};
use crate::operations::{
    Admission, Admitted, Delivery, Key, Lane, New, Operation, OperationId, State, Stored,
};

/// Whether a sweep has more to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Swept {
    All,
    Portion,
}

impl Swept {
    pub(super) fn is_more(self) -> bool {
        self == Self::Portion
    }
}

impl Desk {
    pub(super) fn admit(&mut self, admission: &Admission) -> Result<Vec<Admitted>, Fault> {
        let now = Timestamp::now();
        if let Some(delivery) = &admission.delivery {
            self.keep_delivery(delivery)?;
        }
        let mut lanes = BTreeSet::new();
        let mut admitted = Vec::with_capacity(admission.groups.len());
        for group in &admission.groups {
            if let Some(key) = &group.key {
                let known = self.key(&key.name, now)?;
                let known = known.filter(|known| key.replaces.as_ref() != Some(&known.operations));
                if let Some(known) = known {
                    admitted.push(Admitted::Known(known));
                    continue;
                }
                self.keep_key(key)?;
            }
            self.add(&group.operations, now, &mut lanes)?;
            admitted.push(Admitted::New);
        }
        self.turn(lanes)?;
        Ok(admitted)
    }

    pub(super) fn change(&mut self, changed: &Stored) -> Result<(), Fault> {
        let operation = &changed.operation;
        let lane = &operation.lane;
        let id = &operation.id;
        if self.lanes.is_carried_out(lane, id, self.now) {
            return Err(Fault::Conflict);
        }
        let known = self.operation(id)?;
        if known.is_none_or(|known| known.version != changed.version) {
            return Err(Fault::Conflict);
        }
        self.update(operation, Timestamp::now())?;
        let head = self.head(lane)?;
        if self.lanes.carries_out(lane) == Some(id) {
            self.lanes.end(lane);
        }
        self.lanes.put(lane, head);
        self.changed = true;
        Ok(())
    }

    pub(super) fn save(
        &mut self,
        lane: &Lane,
        fence: u64,
        operation: &Operation,
    ) -> Result<(), Fault> {
        self.owned(lane, fence)?;
        self.update(operation, Timestamp::now())?;
        self.turn([lane.clone()])
    }

    pub(super) fn finish(
        &mut self,
        lane: &Lane,
        fence: u64,
        operation: &Operation,
        children: &[New],
    ) -> Result<(), Fault> {
        self.owned(lane, fence)?;
        let now = Timestamp::now();
        self.update(operation, now)?;
        let mut lanes = BTreeSet::from([lane.clone()]);
        self.add(children, now, &mut lanes)?;
        self.turn(lanes)?;
        self.lanes.end(lane);
        Ok(())
    }

    /// Forgets some of what is settled for as long as `kept`, at most `portion`.
    pub(super) fn sweep(&mut self, kept: Duration, portion: usize) -> Result<Swept, Fault> {
        let now = Timestamp::now();
        let kept = SignedDuration::try_from(kept).unwrap_or(SignedDuration::MAX);
        let before = now
            .checked_sub(kept)
            .unwrap_or(Timestamp::MIN)
            .as_millisecond();
        let portion = i64::try_from(portion).unwrap_or(i64::MAX);
        let forget = |sql: &str, before: i64| -> Result<bool, Fault> {
            let mut forget = self.sql.prepare_cached(sql)?;
            let gone: Vec<i64> = forget
                .query_map(params![before, portion], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            Ok(i64::try_from(gone.len()).unwrap_or(i64::MAX) >= portion)
        };
        let more = [
            forget(
                "DELETE FROM operations WHERE seq IN
                    (SELECT seq FROM operations WHERE settled <= ?1 ORDER BY settled LIMIT ?2)
                 RETURNING seq",
                before,
            )?,
            forget(
                "DELETE FROM deliveries WHERE seq IN (
                    SELECT seq FROM deliveries WHERE received <= ?1 AND NOT EXISTS (
                        SELECT 1 FROM json_each(deliveries.record, '$.operations') AS of
                        JOIN operations ON operations.id = of.value)
                    ORDER BY received LIMIT ?2)
                 RETURNING seq",
                before,
            )?,
            forget(
                "DELETE FROM keys WHERE name IN
                    (SELECT name FROM keys WHERE expires <= ?1 ORDER BY expires LIMIT ?2)
                 RETURNING 1",
                now.as_millisecond(),
            )?,
        ]
        .contains(&true);
        Ok(if more { Swept::Portion } else { Swept::All })
    }

    /// Stores what is not there yet, in this order, and says whose turn it may have become.
    fn add(
        &self,
        operations: &[New],
        now: Timestamp,
        lanes: &mut BTreeSet<Lane>,
    ) -> Result<(), Fault> {
        for new in operations {
            let operation = &new.operation;
            if self.is_there(&operation.id)? {
                continue;
            }
            if operation.coalesce {
                self.supersede(operation, now)?;
            }
            self.insert(new, now)?;
            lanes.insert(operation.lane.clone());
        }
        Ok(())
    }

    fn is_there(&self, id: &OperationId) -> Result<bool, Fault> {
        let mut there = self
            .sql
            .prepare_cached("SELECT 1 FROM operations WHERE id = ?1")?;
        Ok(there.exists([id.as_str()])?)
    }

    /// Puts `newest` in the place of those that wait in its lane and may be replaced.
    fn supersede(&self, newest: &Operation, now: Timestamp) -> Result<(), Fault> {
        let mut rows = self.sql.prepare_cached(
            "SELECT id, digest, record FROM operations WHERE lane = ?1 AND replaceable = 1",
        )?;
        let mut rows = rows.query([newest.lane.as_str()])?;
        let mut replaced = Vec::<Operation>::new();
        while let Some(row) = rows.next()? {
            let id: String = row.get("id")?;
            replaced.push(decode(row, &id)?);
        }
        for mut operation in replaced {
            if self
                .lanes
                .is_carried_out(&newest.lane, &operation.id, self.now)
            {
                continue;
            }
            operation.state = State::Superseded;
            operation.superseded_by = Some(newest.id.clone());
            operation.finished_at = Some(now);
            self.update(&operation, now)?;
        }
        Ok(())
    }

    fn insert(&self, new: &New, now: Timestamp) -> Result<(), Fault> {
        let operation = &new.operation;
        let record = encode(operation)?;
        let columns = Columns::of(operation, now);
        let mut insert = self.sql.prepare_cached(
            "INSERT INTO operations (id, version, lane, state, in_turn, replaceable, due, settled,
                 cluster, release, actor, hook, notice, digest, record)
             VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?;
        let seq = insert.insert(params![
            operation.id.as_str(),
            operation.lane.as_str(),
            columns.state,
            columns.in_turn,
            columns.replaceable,
            columns.due,
            columns.settled,
            columns.cluster,
            columns.release,
            columns.actor,
            columns.hook,
            columns.notice,
            digest(record.as_bytes()),
            record,
        ])?;
        if !new.body.is_empty() {
            let body = new.body.as_ref();
            self.sql
                .prepare_cached("INSERT INTO bodies (seq, digest, body) VALUES (?1, ?2, ?3)")?
                .execute(params![seq, digest(body), body])?;
        }
        Ok(())
    }

    fn update(&self, operation: &Operation, now: Timestamp) -> Result<(), Fault> {
        let record = encode(operation)?;
        let columns = Columns::of(operation, now);
        let mut update = self.sql.prepare_cached(
            "UPDATE operations SET version = version + 1, state = ?2, in_turn = ?3,
                 replaceable = ?4, due = ?5, settled = ?6, digest = ?7, record = ?8
             WHERE id = ?1",
        )?;
        let updated = update.execute(params![
            operation.id.as_str(),
            columns.state,
            columns.in_turn,
            columns.replaceable,
            columns.due,
            columns.settled,
            digest(record.as_bytes()),
            record,
        ])?;
        if updated == 0 {
            return Err(Fault::Lost);
        }
        Ok(())
    }

    fn keep_key(&self, key: &Key) -> Result<(), Fault> {
        let record = encode(key)?;
        self.sql
            .prepare_cached(
                "INSERT OR REPLACE INTO keys (name, expires, digest, record)
                 VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                key.name,
                key.expires_at.as_millisecond(),
                digest(record.as_bytes()),
                record,
            ])?;
        Ok(())
    }

    fn keep_delivery(&self, delivery: &Delivery) -> Result<(), Fault> {
        let record = encode(delivery)?;
        let seq = self
            .sql
            .prepare_cached(
                "INSERT INTO deliveries (hook, id, received, digest, record)
                 VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING RETURNING seq",
            )?
            .query_row(
                params![
                    delivery.hook,
                    delivery.id.0,
                    delivery.received_at.as_millisecond(),
                    digest(record.as_bytes()),
                    record,
                ],
                |row| row.get::<_, i64>(0),
            )
            .optional()?;
        if let Some(seq) = seq {
            let payload = delivery.payload.as_ref();
            self.sql
                .prepare_cached("INSERT INTO payloads (seq, digest, payload) VALUES (?1, ?2, ?3)")?
                .execute(params![seq, digest(payload), payload])?;
        }
        Ok(())
    }

    fn owned(&self, lane: &Lane, fence: u64) -> Result<(), Fault> {
        if self.lanes.is_owner(lane, fence) {
            Ok(())
        } else {
            Err(Fault::Lost)
        }
    }

    /// Takes note of whose turn it is in these lanes now.
    fn turn(&mut self, lanes: impl IntoIterator<Item = Lane>) -> Result<(), Fault> {
        let heads = lanes
            .into_iter()
            .map(|lane| Ok((self.head(&lane)?, lane)))
            .collect::<Result<Vec<_>, Fault>>()?;
        for (head, lane) in heads {
            self.lanes.put(&lane, head);
            self.changed = true;
        }
        Ok(())
    }
}
