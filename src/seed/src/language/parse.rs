//! From sqlparser's tree to ours: only what seeding needs, everything else is refused by name.

use super::{Aggregate, Gather, Node, Operator, Window};
use crate::functions::Function;
use crate::value::Value;
use sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, LimitClause, OrderByExpr, OrderByKind,
    Query, Select, SelectItem, SetExpr, TableFactor, UnaryOperator, Value as SqlValue, WindowType,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

/// Parses one expression completely.
pub(crate) fn parse(text: &str) -> Result<Node, String> {
    let dialect = PostgreSqlDialect {};
    let mut parser = Parser::new(&dialect).try_with_sql(text).map_err(|error| error.to_string())?;
    let expression = parser.parse_expr().map_err(|error| error.to_string())?;
    if parser.peek_token().token != Token::EOF {
        return Err(format!("cannot read on at {}", parser.peek_token()));
    }
    Translate { sites: 0 }.node(&expression)
}

struct Translate {
    sites: u32,
}

impl Translate {
    fn site(&mut self) -> u32 {
        self.sites += 1;
        self.sites
    }

    fn boxed(&mut self, expression: &Expr) -> Result<Box<Node>, String> {
        Ok(Box::new(self.node(expression)?))
    }

    fn node(&mut self, expression: &Expr) -> Result<Node, String> {
        Ok(match expression {
            Expr::Identifier(name) => match name.value.as_str() {
                "current_date" => self.call("today", Vec::new())?,
                other => Node::Path(vec![other.to_owned()]),
            },
            Expr::CompoundIdentifier(names) => Node::Path(names.iter().map(|name| name.value.clone()).collect()),
            Expr::Nested(inner) => self.node(inner)?,
            Expr::Value(value) => Node::Literal(literal(&value.value)?),
            Expr::TypedString(typed) => {
                Node::Literal(typed_literal(&typed.data_type.to_string(), &typed.value.to_string())?)
            }
            Expr::Case { operand, conditions, else_result, .. } => {
                let mut branches = Vec::new();
                for when in conditions {
                    let mut condition = self.node(&when.condition)?;
                    if let Some(operand) = operand {
                        let left = self.boxed(operand)?;
                        condition = Node::Binary { operator: Operator::Equal, left, right: Box::new(condition) };
                    }
                    branches.push((condition, self.node(&when.result)?));
                }
                let otherwise = match else_result {
                    Some(result) => self.boxed(result)?,
                    None => Box::new(Node::Literal(Value::Null)),
                };
                Node::Case { branches, otherwise }
            }
            Expr::BinaryOp { left, op, right } => {
                let operator = binary(op)?;
                Node::Binary { operator, left: self.boxed(left)?, right: self.boxed(right)? }
            }
            Expr::Like { negated, expr, pattern, .. } => {
                let like =
                    Node::Binary { operator: Operator::Like, left: self.boxed(expr)?, right: self.boxed(pattern)? };
                negate_if(*negated, like)
            }
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => Node::Negate(self.boxed(expr)?),
            Expr::UnaryOp { op: UnaryOperator::Plus, expr } => self.node(expr)?,
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => Node::Not(self.boxed(expr)?),
            Expr::IsNull(inner) => Node::IsNull(self.boxed(inner)?),
            Expr::IsNotNull(inner) => Node::Not(Box::new(Node::IsNull(self.boxed(inner)?))),
            Expr::IsTrue(inner) => self.node(inner)?,
            Expr::InList { expr, list, negated } => {
                let list = list.iter().map(|item| self.node(item)).collect::<Result<_, _>>()?;
                negate_if(*negated, Node::In(self.boxed(expr)?, list))
            }
            Expr::Between { expr, negated, low, high } => {
                let from = Node::Binary {
                    operator: Operator::GreaterOrEqual,
                    left: self.boxed(expr)?,
                    right: self.boxed(low)?,
                };
                let to =
                    Node::Binary { operator: Operator::LessOrEqual, left: self.boxed(expr)?, right: self.boxed(high)? };
                let both = Node::Binary { operator: Operator::And, left: Box::new(from), right: Box::new(to) };
                negate_if(*negated, both)
            }
            Expr::Cast { expr, data_type, .. } => {
                let name = format!("to_{}", data_type.to_string().to_ascii_lowercase());
                let inner = self.node(expr)?;
                self.call(&name, vec![inner])?
            }
            Expr::Extract { field, expr, .. } => {
                let inner = self.node(expr)?;
                self.call(&field.to_string().to_ascii_lowercase(), vec![inner])?
            }
            Expr::Ceil { expr, .. } => {
                let inner = self.node(expr)?;
                self.call("ceil", vec![inner])?
            }
            Expr::Floor { expr, .. } => {
                let inner = self.node(expr)?;
                self.call("floor", vec![inner])?
            }
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                let mut arguments = vec![self.node(expr)?];
                for part in [substring_from, substring_for].into_iter().flatten() {
                    arguments.push(self.node(part)?);
                }
                self.call("substring", arguments)?
            }
            Expr::Exists { subquery, negated } => {
                let count = self.subquery(subquery, Some(Gather::Count))?;
                let some = Node::Binary {
                    operator: Operator::Greater,
                    left: Box::new(count),
                    right: Box::new(Node::Literal(Value::Integer(0))),
                };
                negate_if(*negated, some)
            }
            Expr::Subquery(query) => self.subquery(query, None)?,
            Expr::Function(function) => self.function(function)?,
            other => return Err(format!("{other} is not understood here")),
        })
    }

    fn call(&mut self, name: &str, arguments: Vec<Node>) -> Result<Node, String> {
        let function = Function::of(name).ok_or_else(|| format!("there is no function {name}()"))?;
        function.check(arguments.len())?;
        Ok(Node::Call { function, arguments, site: self.site() })
    }

    fn function(&mut self, function: &sqlparser::ast::Function) -> Result<Node, String> {
        let name = function.name.to_string().to_ascii_lowercase();
        let arguments = self.arguments(&function.args)?;
        let Some(WindowType::WindowSpec(window)) = &function.over else {
            return self.call(&name, arguments);
        };
        let gather = Gather::of(&name).ok_or_else(|| format!("{name}() is no window function"))?;
        let partition = window.partition_by.iter().map(|key| self.node(key)).collect::<Result<_, _>>()?;
        let order = self.order(&window.order_by)?;
        Ok(Node::Window(Box::new(Window { gather, arguments, partition, order })))
    }

    fn arguments(&mut self, arguments: &FunctionArguments) -> Result<Vec<Node>, String> {
        let FunctionArguments::List(list) = arguments else { return Ok(Vec::new()) };
        let mut nodes = Vec::new();
        for argument in &list.args {
            match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => nodes.push(self.node(expression)?),
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => {}
                other => return Err(format!("argument {other} is not understood here")),
            }
        }
        Ok(nodes)
    }

    fn order(&mut self, order: &[OrderByExpr]) -> Result<Vec<(Node, bool)>, String> {
        order
            .iter()
            .map(|by| Ok((self.node(&by.expr)?, by.options.sort == Some(sqlparser::ast::OrderBySort::Desc))))
            .collect()
    }

    fn subquery(&mut self, query: &Query, forced: Option<Gather>) -> Result<Node, String> {
        let SetExpr::Select(select) = query.body.as_ref() else {
            return Err(format!("{query} is not understood here"));
        };
        let table = table_of(select)?;
        let (gather, arguments) = self.gathered(select, forced)?;
        let mut arguments = arguments.into_iter();
        let (argument, second) = (arguments.next(), arguments.next());
        let (mut keys, mut filter, mut groups) = (Vec::new(), None, table.name.clone());
        if let Some(selection) = &select.selection {
            let mut parts = Vec::new();
            conjuncts(selection, &mut parts);
            for part in parts {
                if mentions_outside(part) {
                    let (inner, outer, text) = self.key(part, &table)?;
                    groups.push_str(&format!(" by {text}"));
                    keys.push((inner, outer));
                } else {
                    let condition = table.strip(self.node(part)?);
                    groups.push_str(&format!(" where {part}"));
                    filter = Some(match filter.take() {
                        None => condition,
                        Some(before) => {
                            Node::Binary { operator: Operator::And, left: Box::new(before), right: Box::new(condition) }
                        }
                    });
                }
            }
        }
        let mut order = Vec::new();
        if let Some(by) = &query.order_by {
            let OrderByKind::Expressions(expressions) = &by.kind else {
                return Err("ORDER BY ALL is not understood".to_owned());
            };
            order = self
                .order(expressions)?
                .into_iter()
                .map(|(node, descending)| (table.strip(node), descending))
                .collect();
            groups.push_str(&format!(" order {by}"));
        }
        let limit = limit(query)?;
        let site = self.site();
        let argument = argument.map(|node| table.strip(node));
        let second = if gather == Gather::Pick { second.map(|node| table.strip(node)) } else { second };
        let table = table.name;
        Ok(Node::Aggregate(Box::new(Aggregate {
            table,
            gather,
            argument,
            second,
            keys,
            filter,
            order,
            limit,
            site,
            groups,
        })))
    }

    /// What the only item of the select list asks for; a bare column is the first row's.
    fn gathered(&mut self, select: &Select, forced: Option<Gather>) -> Result<(Gather, Vec<Node>), String> {
        if let Some(gather) = forced {
            return Ok((gather, Vec::new()));
        }
        let [SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. }] =
            select.projection.as_slice()
        else {
            return Err(format!("a subquery selects one thing: {select}"));
        };
        if let Expr::Function(function) = item
            && function.over.is_none()
            && let Some(gather) = Gather::of(&function.name.to_string().to_ascii_lowercase())
        {
            return Ok((gather, self.arguments(&function.args)?));
        }
        Ok((Gather::First, vec![self.node(item)?]))
    }

    /// `inner = this.outer`, either way round.
    fn key(&mut self, part: &Expr, table: &From) -> Result<(Node, Node, String), String> {
        let mut part = part;
        while let Expr::Nested(inner) = part {
            part = inner;
        }
        let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = part else {
            return Err(format!("{part}: `this` may only be compared by = with the other table"));
        };
        let (inner, outer) = match (mentions_outside(left), mentions_outside(right)) {
            (false, true) => (left, right),
            (true, false) => (right, left),
            _ => return Err(format!("{part}: one side must speak of `this` alone, the other of the table")),
        };
        Ok((table.strip(self.node(inner)?), outside(self.node(outer)?), inner.to_string()))
    }
}

struct From {
    name: String,
    alias: String,
}

impl From {
    /// Takes the table's own name off its columns.
    fn strip(&self, mut node: Node) -> Node {
        each_path(&mut node, &mut |path| {
            if path.len() > 1 && path[0] == self.alias {
                path.remove(0);
            }
        });
        node
    }
}

/// Takes `this.` off: outside, the row itself is meant.
fn outside(mut node: Node) -> Node {
    each_path(&mut node, &mut |path| {
        if path.len() > 1 && path[0] == "this" {
            path.remove(0);
        }
    });
    node
}

fn each_path(node: &mut Node, change: &mut dyn FnMut(&mut Vec<String>)) {
    match node {
        Node::Path(path) => change(path),
        Node::Literal(_) => {}
        Node::Call { arguments, .. } => arguments.iter_mut().for_each(|argument| each_path(argument, change)),
        Node::Case { branches, otherwise } => {
            for (condition, result) in branches {
                each_path(condition, change);
                each_path(result, change);
            }
            each_path(otherwise, change);
        }
        Node::Binary { left, right, .. } => {
            each_path(left, change);
            each_path(right, change);
        }
        Node::Not(inner) | Node::Negate(inner) | Node::IsNull(inner) => each_path(inner, change),
        Node::In(inner, list) => {
            each_path(inner, change);
            list.iter_mut().for_each(|item| each_path(item, change));
        }
        // What a subquery says outside of itself is its keys; the rest has a scope of its own.
        Node::Aggregate(aggregate) => aggregate.keys.iter_mut().for_each(|(_, outer)| each_path(outer, change)),
        Node::Window(window) => {
            window.arguments.iter_mut().chain(&mut window.partition).for_each(|node| each_path(node, change));
            window.order.iter_mut().for_each(|(node, _)| each_path(node, change));
        }
    }
}

fn mentions_outside(expression: &Expr) -> bool {
    format!(" {expression}")
        .split(|character: char| !(character.is_alphanumeric() || character == '_' || character == '.'))
        .any(|word| word.starts_with("this."))
}

fn conjuncts<'a>(expression: &'a Expr, parts: &mut Vec<&'a Expr>) {
    match expression {
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            conjuncts(left, parts);
            conjuncts(right, parts);
        }
        Expr::Nested(inner) => conjuncts(inner, parts),
        other => parts.push(other),
    }
}

fn table_of(select: &Select) -> Result<From, String> {
    let [from] = select.from.as_slice() else { return Err(format!("a subquery reads one table: {select}")) };
    let TableFactor::Table { name, alias, .. } = &from.relation else {
        return Err(format!("{from} is not understood here"));
    };
    if !from.joins.is_empty() {
        return Err(format!("{from}: follow references (a.b) instead of joining"));
    }
    let name = name.to_string();
    let last = name.rsplit('.').next().unwrap_or_default().to_owned();
    Ok(From { alias: alias.as_ref().map_or(last, |alias| alias.name.value.clone()), name })
}

fn limit(query: &Query) -> Result<Option<usize>, String> {
    match &query.limit_clause {
        None => Ok(None),
        Some(LimitClause::LimitOffset { limit: Some(Expr::Value(value)), offset: None, .. }) => {
            value.to_string().parse().map(Some).map_err(|_| format!("LIMIT {value} is no number"))
        }
        Some(other) => Err(format!("{other} is not understood here")),
    }
}

fn negate_if(negated: bool, node: Node) -> Node {
    if negated { Node::Not(Box::new(node)) } else { node }
}

fn binary(operator: &BinaryOperator) -> Result<Operator, String> {
    Ok(match operator {
        BinaryOperator::Plus => Operator::Add,
        BinaryOperator::Minus => Operator::Subtract,
        BinaryOperator::Multiply => Operator::Multiply,
        BinaryOperator::Divide => Operator::Divide,
        BinaryOperator::Modulo => Operator::Remainder,
        BinaryOperator::StringConcat => Operator::Concatenate,
        BinaryOperator::Eq => Operator::Equal,
        BinaryOperator::NotEq => Operator::NotEqual,
        BinaryOperator::Lt => Operator::Less,
        BinaryOperator::LtEq => Operator::LessOrEqual,
        BinaryOperator::Gt => Operator::Greater,
        BinaryOperator::GtEq => Operator::GreaterOrEqual,
        BinaryOperator::And => Operator::And,
        BinaryOperator::Or => Operator::Or,
        BinaryOperator::PGRegexMatch => Operator::Matches,
        other => return Err(format!("operator {other} is not understood here")),
    })
}

fn literal(value: &SqlValue) -> Result<Value, String> {
    Ok(match value {
        SqlValue::Number(digits, _) => match digits.parse::<i64>() {
            Ok(integer) => Value::Integer(integer),
            Err(_) => Value::Number(digits.parse().map_err(|_| format!("{digits} is no number"))?),
        },
        SqlValue::SingleQuotedString(text) => Value::text(text),
        SqlValue::Boolean(value) => Value::Boolean(*value),
        SqlValue::Null => Value::Null,
        other => return Err(format!("{other} is not understood here")),
    })
}

fn typed_literal(kind: &str, text: &str) -> Result<Value, String> {
    let text = text.trim_matches('\'');
    let value = match kind {
        "DATE" => crate::functions::time::parse_date(text),
        "TIME" => crate::functions::time::parse_time(text),
        "TIMESTAMP" => crate::functions::time::parse_timestamp(text),
        _ => None,
    };
    value.ok_or_else(|| format!("{kind} '{text}' is not understood here"))
}
