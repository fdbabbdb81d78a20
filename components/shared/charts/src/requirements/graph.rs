//! Charts and their sub-charts while they are processed.
//!
//! A chart that is listed twice becomes two, but what is below it is shared until that is listed itself. Nothing is
//! copied before all is done, so what a chart multiplies costs nothing until it is counted. Every step that a chart
//! can multiply is paid for out of [`Limits::work`], everything that stays is counted against a limit of its own.

use std::{
    borrow::Cow,
    cell::{Cell, OnceCell},
    rc::Rc,
};

use serde_json::Value;
use tiller_api::hapi::chart::{Chart, Config, Metadata};

use super::{
    RequirementsError,
    file::{self, Requirement},
};
use crate::{
    Limits,
    values::{self, Table, Tree, ValuesError},
    version::Version,
    yaml,
};

/// A chart in the graph.
#[derive(Clone, Copy, Debug)]
pub(super) struct Id(usize);

#[derive(Debug)]
pub(super) struct Graph<'c> {
    pub(super) limits: &'c Limits,
    sources: Vec<Source<'c>>,
    nodes: Vec<Node>,
    copies: usize,
    work: Cell<usize>,
    /// Weight of the values that are kept.
    held: Cell<usize>,
    /// Bytes of the values that were written.
    written: usize,
}

/// What was loaded.
#[derive(Debug)]
struct Source<'c> {
    chart: &'c Chart,
    version: Option<Version>,
    defaults: OnceCell<Result<Option<Table>, ValuesError>>,
    requirements: OnceCell<Result<Option<Requirements>, RequirementsError>>,
}

pub(super) type Requirements = Rc<[Requirement]>;

/// What becomes of it.
#[derive(Debug)]
struct Node {
    source: usize,
    name: Rc<str>,
    /// Values that replace the source's.
    values: Option<Written>,
    dependencies: Vec<Id>,
}

#[derive(Debug)]
struct Written {
    raw: String,
    table: Table,
}

impl<'c> Graph<'c> {
    /// The chart that all others are below.
    pub(super) const TOP: Id = Id(0);

    pub(super) fn new(chart: &'c Chart, limits: &'c Limits) -> Result<Self, RequirementsError> {
        let mut graph = Self {
            limits,
            sources: Vec::new(),
            nodes: Vec::new(),
            copies: 0,
            work: Cell::new(0),
            held: Cell::new(0),
            written: 0,
        };
        graph.add(chart, 0)?;
        Ok(graph)
    }

    fn add(&mut self, chart: &'c Chart, depth: usize) -> Result<Id, RequirementsError> {
        within("depth", depth, self.limits.depth)?;
        let metadata = chart
            .metadata
            .as_ref()
            .ok_or(RequirementsError::MissingMetadata)?;
        let id = Id(self.nodes.len());
        self.sources.push(Source {
            chart,
            version: Version::parse(&metadata.version).ok(),
            defaults: OnceCell::new(),
            requirements: OnceCell::new(),
        });
        self.nodes.push(Node {
            source: id.0,
            name: Rc::from(metadata.name.as_str()),
            values: None,
            dependencies: Vec::with_capacity(chart.dependencies.len()),
        });
        within("charts", self.nodes.len(), self.limits.charts)?;
        for dependency in &chart.dependencies {
            let dependency = self.add(dependency, depth + 1)?;
            self.node_mut(id).dependencies.push(dependency);
        }
        Ok(id)
    }

    /// Whether any chart has a requirements.yaml.
    pub(super) fn has_requirements(&self) -> bool {
        self.sources.iter().any(|source| file::exists(source.chart))
    }

    pub(super) fn name(&self, id: Id) -> &Rc<str> {
        &self.node(id).name
    }

    pub(super) fn version(&self, id: Id) -> Option<&Version> {
        self.source(id).version.as_ref()
    }

    pub(super) fn dependencies(&self, id: Id) -> Vec<Id> {
        self.node(id).dependencies.clone()
    }

    pub(super) fn set_dependencies(&mut self, id: Id, dependencies: Vec<Id>) {
        self.node_mut(id).dependencies = dependencies;
    }

    /// The requirements of a chart. It has none if its file is none: only the top chart's is ever complained of, and
    /// that before.
    pub(super) fn requirements(&self, id: Id) -> Result<Option<Requirements>, RequirementsError> {
        let source = self.source(id);
        let requirements = source
            .requirements
            .get_or_init(|| Ok(file::read(source.chart, self.limits)?.map(Rc::from)));
        match requirements {
            Ok(requirements) => Ok(requirements.clone()),
            Err(error @ RequirementsError::Unreadable(_)) if error.is_limit().is_none() => Ok(None),
            Err(error) => Err(error.clone()),
        }
    }

    /// A second chart like this one, perhaps with another name.
    pub(super) fn copy(&mut self, id: Id, alias: &str) -> Result<Id, RequirementsError> {
        self.copies += 1;
        within("charts", self.copies, self.limits.charts)?;
        let node = self.node(id);
        self.spend(node.dependencies.len())?;
        let copy = Node {
            source: node.source,
            name: if alias.is_empty() {
                Rc::clone(&node.name)
            } else {
                Rc::from(alias)
            },
            values: None,
            dependencies: node.dependencies.clone(),
        };
        self.nodes.push(copy);
        Ok(Id(self.nodes.len() - 1))
    }

    /// The values of a chart under these.
    pub(super) fn coalesce(&self, id: Id, user: &Table) -> Result<Table, RequirementsError> {
        self.spend(values::weight(user))?;
        let tree = Branch { graph: self, id };
        let values = values::coalesce_tree(tree, user.clone(), self.limits)
            .map_err(RequirementsError::Values)?;
        self.spend(values::weight(&values))?;
        Ok(values)
    }

    /// Replaces the values of a chart.
    pub(super) fn write(&mut self, id: Id, table: Table) -> Result<(), RequirementsError> {
        let (nodes, depth) = values::shape(&table);
        within("yaml_nodes", nodes, self.limits.yaml_nodes)?;
        within("yaml_depth", depth, self.limits.yaml_depth)?;
        self.hold(values::weight(&table))?;
        let value = Value::Object(table);
        let raw = yaml::to_string(&value);
        self.written += raw.len();
        within("expanded", self.written, self.limits.expanded)?;
        let Value::Object(table) = value else {
            return Ok(());
        };
        if let Some(before) = self.node_mut(id).values.replace(Written { raw, table }) {
            self.written -= before.raw.len();
            self.release(values::weight(&before.table));
        }
        Ok(())
    }

    /// Pays for steps that a chart can multiply, one for [`TEXT`](super::TEXT) bytes of text.
    pub(super) fn spend(&self, steps: usize) -> Result<(), Exceeded> {
        self.work.set(self.work.get().saturating_add(steps));
        within("work", self.work.get(), self.limits.work)
    }

    /// Counts values that stay in memory.
    pub(super) fn hold(&self, weight: usize) -> Result<(), Exceeded> {
        self.held.set(self.held.get().saturating_add(weight));
        within("values", self.held.get(), self.limits.values)
    }

    /// Counts them no longer.
    pub(super) fn release(&self, weight: usize) {
        self.held.set(self.held.get().saturating_sub(weight));
    }

    /// The chart that it has become.
    pub(super) fn to_chart(&self) -> Result<Chart, RequirementsError> {
        let mut size = Size::default();
        self.measure(Self::TOP, &mut size)?;
        Ok(self.chart(Self::TOP))
    }

    fn measure(&self, id: Id, size: &mut Size) -> Result<(), RequirementsError> {
        size.charts += 1;
        within("charts", size.charts, self.limits.charts)?;
        let node = self.node(id);
        let chart = self.source(id).chart;
        let values = match (&node.values, &chart.values) {
            (Some(written), _) => written.raw.len(),
            (None, Some(loaded)) => loaded.raw.len(),
            (None, None) => 0,
        };
        let templates = chart.templates.iter();
        let files = chart.files.iter();
        let metadata = chart.metadata.as_ref();
        size.bytes += values
            + templates
                .map(|template| template.name.len() + template.data.len())
                .sum::<usize>()
            + files
                .map(|file| file.type_url.len() + file.value.len())
                .sum::<usize>()
            + node.name.len()
            + metadata.map_or(0, prost::Message::encoded_len);
        within("expanded", size.bytes, self.limits.expanded)?;
        node.dependencies
            .iter()
            .try_for_each(|dependency| self.measure(*dependency, size))
    }

    fn chart(&self, id: Id) -> Chart {
        let node = self.node(id);
        let Chart {
            metadata,
            templates,
            values,
            files,
            ..
        } = self.source(id).chart;
        Chart {
            metadata: metadata.as_ref().map(|metadata| Metadata {
                name: node.name.to_string(),
                ..metadata.clone()
            }),
            templates: templates.clone(),
            dependencies: node
                .dependencies
                .iter()
                .map(|dependency| self.chart(*dependency))
                .collect(),
            values: match &node.values {
                Some(written) => Some(Config {
                    raw: written.raw.clone(),
                    ..Config::default()
                }),
                None => values.clone(),
            },
            files: files.clone(),
        }
    }

    fn node(&self, id: Id) -> &Node {
        &self.nodes[id.0]
    }

    fn node_mut(&mut self, id: Id) -> &mut Node {
        &mut self.nodes[id.0]
    }

    fn source(&self, id: Id) -> &Source<'c> {
        &self.sources[self.node(id).source]
    }
}

impl Source<'_> {
    fn defaults(&self, graph: &Graph<'_>, limits: &Limits) -> Result<Option<&Table>, ValuesError> {
        let defaults = self.defaults.get_or_init(|| {
            let table = self.chart.defaults(limits)?.map(Cow::into_owned);
            graph.hold(table.as_ref().map_or(0, values::weight))?;
            Ok(table)
        });
        defaults.as_ref().map(Option::as_ref).map_err(Clone::clone)
    }
}

/// A chart with what is below it, for its values.
#[derive(Clone, Copy)]
struct Branch<'g, 'c> {
    graph: &'g Graph<'c>,
    id: Id,
}

impl<'g> Tree<'g> for Branch<'g, '_> {
    fn name(self) -> Option<&'g str> {
        Some(self.graph.name(self.id))
    }

    fn defaults(self, limits: &Limits) -> Result<Option<Cow<'g, Table>>, ValuesError> {
        let table = match &self.graph.node(self.id).values {
            Some(written) => Some(&written.table),
            None => self.graph.source(self.id).defaults(self.graph, limits)?,
        };
        self.graph.spend(table.map_or(1, values::weight))?;
        Ok(table.map(Cow::Borrowed))
    }

    fn dependencies(self) -> impl ExactSizeIterator<Item = Self> {
        let Self { graph, id } = self;
        graph
            .node(id)
            .dependencies
            .iter()
            .map(move |id| Self { graph, id: *id })
    }
}

/// What a chart comes to.
#[derive(Debug, Default)]
struct Size {
    charts: usize,
    bytes: usize,
}

/// A limit that was passed.
#[derive(Debug)]
pub(super) struct Exceeded {
    limit: &'static str,
    value: usize,
}

/// Whether a number is within its limit.
pub(super) fn within(limit: &'static str, number: usize, value: usize) -> Result<(), Exceeded> {
    if number > value {
        return Err(Exceeded { limit, value });
    }
    Ok(())
}

impl From<Exceeded> for RequirementsError {
    fn from(Exceeded { limit, value }: Exceeded) -> Self {
        Self::Limit { limit, value }
    }
}

impl From<Exceeded> for ValuesError {
    fn from(Exceeded { limit, value }: Exceeded) -> Self {
        Self::Limit { limit, value }
    }
}
