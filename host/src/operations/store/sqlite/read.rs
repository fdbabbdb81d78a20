//! What is stored, as others ask for it.

use bytes::Bytes;
use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{OptionalExtension, params, params_from_iter};

use super::desk::Desk;
use super::fault::Fault;
use super::lanes::Head;
use super::record::{bytes, decode};
use crate::operations::{Delivery, DeliveryId, Key, Lane, Operation, OperationId, Query, Stored};

impl Desk {
    pub(super) fn operation(&self, id: &OperationId) -> Result<Option<Stored>, Fault> {
        let mut rows = self
            .sql
            .prepare_cached("SELECT version, digest, record FROM operations WHERE id = ?1")?;
        let mut rows = rows.query([id.as_str()])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        Ok(Some(Stored {
            operation: decode(row, id.as_str())?,
            version: u64::try_from(row.get::<_, i64>("version")?).unwrap_or_default(),
        }))
    }

    pub(super) fn body(&self, id: &OperationId) -> Result<Option<Bytes>, Fault> {
        let mut rows = self.sql.prepare_cached(
            "SELECT body, bodies.digest AS digest
             FROM operations LEFT JOIN bodies USING (seq) WHERE id = ?1",
        )?;
        let mut rows = rows.query([id.as_str()])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        match row.get_ref("digest")? {
            rusqlite::types::ValueRef::Null => Ok(Some(Bytes::new())),
            _ => bytes(row, "body", &format!("the body of {id}")).map(Some),
        }
    }

    pub(super) fn operations(&self, query: &Query) -> Result<Vec<Operation>, Fault> {
        let mut sql = "SELECT id, digest, record FROM operations WHERE TRUE".to_owned();
        let mut values = Vec::<Value>::new();
        let mut only = |condition: &str, value: Option<&str>| {
            if let Some(value) = value {
                sql.push_str(condition);
                values.push(value.to_owned().into());
            }
        };
        only(" AND cluster = ?", query.cluster.as_deref());
        only(" AND release = ?", query.release.as_deref());
        only(" AND actor = ?", query.actor.as_deref());
        only(" AND hook = ?", query.hook.as_deref());
        only(
            " AND id < ?",
            query.before.as_ref().map(OperationId::as_str),
        );
        if !query.states.is_empty() {
            let places = vec!["?"; query.states.len()].join(", ");
            sql.push_str(&format!(" AND state IN ({places})"));
            values.extend(
                query
                    .states
                    .iter()
                    .map(|state| state.as_str().to_owned().into()),
            );
        }
        if !query.notices {
            sql.push_str(" AND notice = 0");
        }
        sql.push_str(" ORDER BY id DESC LIMIT ?");
        values.push(limit(query.limit).into());
        let mut rows = self.sql.prepare_cached(&sql)?;
        let mut rows = rows.query(params_from_iter(values))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let id: String = row.get("id")?;
            found.push(decode(row, &id)?);
        }
        Ok(found)
    }

    pub(super) fn key(&self, name: &str, now: Timestamp) -> Result<Option<Key>, Fault> {
        let mut rows = self
            .sql
            .prepare_cached("SELECT digest, record FROM keys WHERE name = ?1 AND expires > ?2")?;
        let mut rows = rows.query(params![name, now.as_millisecond()])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        decode(row, &format!("the key {name}")).map(Some)
    }

    pub(super) fn delivery(&self, hook: &str, id: &DeliveryId) -> Result<Option<Delivery>, Fault> {
        let what = format!("the delivery {}", id.0);
        let mut rows = self
            .sql
            .prepare_cached("SELECT digest, record FROM deliveries WHERE hook = ?1 AND id = ?2")?;
        let mut rows = rows.query([hook, &id.0])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let delivery: Delivery = decode(row, &what)?;
        let mut rows = self.sql.prepare_cached(
            "SELECT payloads.digest AS digest, payload
             FROM deliveries JOIN payloads USING (seq) WHERE hook = ?1 AND id = ?2",
        )?;
        let mut rows = rows.query([hook, &id.0])?;
        let payload = match rows.next()? {
            Some(row) => bytes(row, "payload", &what)?,
            None => Bytes::new(),
        };
        Ok(Some(Delivery {
            payload,
            ..delivery
        }))
    }

    pub(super) fn deliveries(
        &self,
        hook: &str,
        before: Option<&DeliveryId>,
        most: usize,
    ) -> Result<Vec<Delivery>, Fault> {
        let mut rows = self.sql.prepare_cached(
            "SELECT id, digest, record FROM deliveries
             WHERE hook = ?1 AND (?2 IS NULL OR id < ?2) ORDER BY id DESC LIMIT ?3",
        )?;
        let before = before.map(|id| id.0.as_str());
        let mut rows = rows.query(params![hook, before, limit(most)])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let id: String = row.get("id")?;
            found.push(decode(row, &format!("the delivery {id}"))?);
        }
        Ok(found)
    }

    /// The first of a lane whose turn it is.
    pub(super) fn head(&self, lane: &Lane) -> Result<Option<Head>, Fault> {
        let mut head = self.sql.prepare_cached(
            "SELECT seq, id, cluster, due FROM operations
             WHERE lane = ?1 AND in_turn = 1 ORDER BY seq LIMIT 1",
        )?;
        let head = head.query_row([lane.as_str()], head_of).optional()?;
        Ok(head)
    }

    /// The first of every lane.
    pub(super) fn heads(&self) -> Result<Vec<(Lane, Head)>, Fault> {
        let mut heads = self.sql.prepare(
            "SELECT lane, min(seq) AS seq, id, cluster, due FROM operations
             WHERE in_turn = 1 GROUP BY lane",
        )?;
        let heads = heads.query_map([], |row| {
            let lane: String = row.get("lane")?;
            Ok((Lane::stored(lane), head_of(row)?))
        })?;
        Ok(heads.collect::<Result<_, _>>()?)
    }
}

fn head_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Head> {
    let id: String = row.get("id")?;
    let id = OperationId::try_from(id).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Text, Box::new(error))
    })?;
    Ok(Head {
        seq: row.get("seq")?,
        id,
        cluster: row.get("cluster")?,
        due: row.get("due")?,
    })
}

fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
