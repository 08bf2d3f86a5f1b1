//! The language in which `config/seed` says what a column means: SQL expressions, parsed by sqlparser as PostgreSQL's.
//!
//! A bare name is a column of the same row; `a.b` follows the reference in column `a` to the row it names and takes column
//! `b` there; `parent.b` is a column of the row named by `each`. A scalar subquery `(SELECT sum(x) FROM t WHERE t.k = this.k AND ...)`
//! looks at another table: in it names are columns of that table, `this.` is the row outside. The functions are in
//! [`super::functions`].

mod parse;

use super::functions::Function;
use super::value::Value;
use std::collections::HashSet;

pub(crate) use parse::parse;

#[derive(Clone, Debug)]
pub(crate) enum Node {
    Literal(Value),
    /// `b`, `a.b`, `parent.b`, `this.b`
    Path(Vec<String>),
    /// `site` numbers the calls of one expression, so that each draws random numbers of its own.
    Call {
        function: Function,
        arguments: Vec<Node>,
        site: u32,
    },
    Case {
        branches: Vec<(Node, Node)>,
        otherwise: Box<Node>,
    },
    Binary {
        operator: Operator,
        left: Box<Node>,
        right: Box<Node>,
    },
    Not(Box<Node>),
    Negate(Box<Node>),
    IsNull(Box<Node>),
    In(Box<Node>, Vec<Node>),
    Aggregate(Box<Aggregate>),
    Window(Box<Window>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Concatenate,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
    Like,
    /// `~`, a regular expression.
    Matches,
}

/// What is made of the rows that a subquery or a window sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gather {
    Count,
    Sum,
    Average,
    Min,
    Max,
    First,
    Last,
    /// A random one; a second argument weighs.
    Pick,
    /// The n-th in their order, going round.
    Element,
    List,
    RowNumber,
    /// A hash over the text and the hash of the row before: tampering with one row shows in all that follow.
    Chain,
    Lag,
    Lead,
    /// `place(from, until, places)`: the number of a place that is free for that time.
    Place,
}

impl Gather {
    pub(crate) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "count" => Self::Count,
            "sum" => Self::Sum,
            "avg" => Self::Average,
            "min" => Self::Min,
            "max" => Self::Max,
            "first" | "first_value" => Self::First,
            "last" | "last_value" => Self::Last,
            "pick" => Self::Pick,
            "element" => Self::Element,
            "array_agg" => Self::List,
            "row_number" => Self::RowNumber,
            "chain" => Self::Chain,
            "lag" => Self::Lag,
            "lead" => Self::Lead,
            "place" => Self::Place,
            _ => return None,
        })
    }
}

/// `(SELECT gather(argument) FROM table WHERE key = this.key AND filter ORDER BY order)`
#[derive(Clone, Debug)]
pub(crate) struct Aggregate {
    /// `table` or `module.table`.
    pub table: String,
    pub gather: Gather,
    /// In the scope of `table`; none for `count(*)`.
    pub argument: Option<Node>,
    /// `pick`: the weight, in the scope of `table`; `element`: the number, outside.
    pub second: Option<Node>,
    pub keys: Vec<(Node, Node)>,
    pub filter: Option<Node>,
    pub order: Vec<(Node, bool)>,
    pub limit: Option<usize>,
    pub site: u32,
    /// The same text means the same groups.
    pub groups: String,
}

/// `gather(argument) OVER (PARTITION BY ... ORDER BY ...)`
#[derive(Clone, Debug)]
pub(crate) struct Window {
    pub gather: Gather,
    pub arguments: Vec<Node>,
    pub partition: Vec<Node>,
    /// The flag is true for descending.
    pub order: Vec<(Node, bool)>,
}

impl Node {
    /// Every name that the expression may look up, in whatever table.
    pub(crate) fn names(&self, names: &mut HashSet<String>) {
        let mut all = |nodes: &mut dyn Iterator<Item = &Node>| nodes.for_each(|node| node.names(names));
        match self {
            Self::Literal(_) => {}
            Self::Path(path) => names.extend(path.iter().cloned()),
            Self::Call { arguments, .. } => all(&mut arguments.iter()),
            Self::Case { branches, otherwise } => {
                all(&mut branches.iter().flat_map(|(condition, result)| [condition, result]));
                otherwise.names(names);
            }
            Self::Binary { left, right, .. } => all(&mut [left, right].into_iter().map(AsRef::as_ref)),
            Self::Not(inner) | Self::Negate(inner) | Self::IsNull(inner) => inner.names(names),
            Self::In(inner, list) => all(&mut std::iter::once(inner.as_ref()).chain(list)),
            Self::Aggregate(aggregate) => {
                all(&mut aggregate.argument.iter().chain(&aggregate.second).chain(&aggregate.filter));
                all(&mut aggregate.keys.iter().flat_map(|(inner, outer)| [inner, outer]));
                all(&mut aggregate.order.iter().map(|(node, _)| node));
            }
            Self::Window(window) => {
                all(&mut window.arguments.iter().chain(&window.partition));
                all(&mut window.order.iter().map(|(node, _)| node));
            }
        }
    }
}
