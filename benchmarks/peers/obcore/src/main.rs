//! The `obcore` crate as a peer of benchmarks/matching.py: see harness.rs.
//!
//! Each command is evaluated and its instructions are applied at once, as the crate means it. Reducing an order in
//! place is the crate's own instruction for a maker's fill; a replace, which the crate does not know, is a delete and
//! an insert.

mod harness;

use harness::*;
use obcore::{Evaluator, Instruction, Msg, Op, OrderBook, OrderInterface, TIF};

#[derive(Clone, Debug, PartialEq, Eq)]
struct Order {
    id: u64,
    price: u64,
    quantity: u64,
    remaining: u64,
    owner: u32,
    buys: bool,
    rests: bool,
}

impl OrderInterface for Order {
    type I = u64;
    type N = u64;
    type O = u32;

    fn id(&self) -> &u64 {
        &self.id
    }

    fn is_buy(&self) -> bool {
        self.buys
    }

    fn price(&self) -> u64 {
        self.price
    }

    fn quantity(&self) -> u64 {
        self.quantity
    }

    fn remaining(&self) -> u64 {
        self.remaining
    }

    fn fill(&mut self, quantity: u64) {
        self.remaining -= quantity;
    }

    fn owner(&self) -> &u32 {
        &self.owner
    }

    fn tif(&self) -> TIF {
        if self.rests { TIF::GTC } else { TIF::IOC }
    }
}

struct Books {
    books: Vec<OrderBook<Order>>,
    evaluator: Evaluator<Order>,
}

impl Books {
    fn insert(&mut self, row: &Row, reports: &mut Reports) {
        let quantity = row.qty as u64;
        let order = Order {
            id: row.order as u64, price: row.price as u64, quantity, remaining: quantity, owner: 0, buys: row.buys,
            rests: row.rests,
        };
        let book = &mut self.books[row.instrument];
        let mut left = row.qty;
        self.evaluator.reset();
        for instruction in self.evaluator.eval(book, Op::Insert(order)) {
            match &instruction {
                Instruction::Fill(maker, _, price, lots, false) => {
                    left -= *lots as i64;
                    reports.push(TRADED, *maker as i64, *price as i64, *lots as i64);
                }
                Instruction::Delete(..) | Instruction::NoOp(..) => reports.push(REST, row.order, 0, left),
                _ => {}
            }
            book.apply(instruction);
        }
    }

    fn delete(&mut self, row: &Row) -> bool {
        let book = &mut self.books[row.instrument];
        self.evaluator.reset();
        let mut found = true;
        for instruction in self.evaluator.eval(book, Op::Delete(row.order as u64)) {
            found &= !matches!(instruction, Instruction::NoOp(_, Msg::OrderNotFound));
            book.apply(instruction);
        }
        found
    }
}

impl Engine for Books {
    fn new(instruments: usize, _rows: usize) -> Self {
        Books { books: (0..instruments).map(|_| OrderBook::default()).collect(), evaluator: Evaluator::default() }
    }

    fn apply(&mut self, row: &Row, reports: &mut Reports) {
        match row.kind {
            NEW => {
                reports.push(ACCEPTED, row.order, row.price, row.qty);
                self.insert(row, reports);
            }
            CANCEL => {
                let done = if self.delete(row) { CANCELLED } else { REJECTED };
                reports.push(done, row.order, 0, 0);
            }
            REPLACE => {
                if self.delete(row) {
                    reports.push(REPLACED, row.order, row.price, row.qty);
                    self.insert(row, reports);
                } else {
                    reports.push(REJECTED, row.order, 0, 0);
                }
            }
            _ => {
                let book = &mut self.books[row.instrument];
                if book.order(&(row.order as u64)).is_some() {
                    book.apply(Instruction::Fill(row.order as u64, 0, row.price as u64, row.less as u64, false));
                    reports.push(REPLACED, row.order, row.price, row.qty);
                } else {
                    reports.push(REJECTED, row.order, 0, 0);
                }
            }
        }
    }

    fn resting(&self) -> (i64, i64) {
        let orders = self.books.iter().map(|book| book.len() as i64).sum();
        let levels = self.books.iter().flat_map(|book| book.bids().chain(book.asks()));
        (orders, levels.map(|level| level.total_quantity() as i64).sum())
    }
}

fn main() {
    serve::<Books>();
}
