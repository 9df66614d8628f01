//! The `matchcore` crate as a peer of benchmarks/matching.py: see harness.rs.
//!
//! Version 0.4.0 lets a limit order that crosses trade beyond its own limit: it is matched like a market order. So an
//! order that crosses is sent in two parts, the lots that its limit reaches (the crate's own levels say how many) and
//! the rest; which is also what a replace becomes that crosses, after a cancel. Other replaces are the crate's
//! amendments, but for those that change nothing and yet go to the end of the level: a cancel and a new order.

mod harness;

use harness::*;
use matchcore::*;

struct Book {
    book: OrderBook,
    sequence: u64,
    orders: Vec<u32>, // by the id that the book gave: the number in the flow
}

struct Books {
    books: Vec<Book>,
    ids: Vec<u64>, // by number in the flow: the id that the book gave
}

const NO_ID: u64 = u64::MAX;

impl Book {
    fn execute(&mut self, order: i64, kind: CommandKind) -> CommandOutcome {
        let meta = CommandMeta { sequence_number: SequenceNumber(self.sequence), timestamp: Timestamp(0) };
        self.sequence += 1;
        self.orders.push(order as u32);
        self.book.execute(&Command { meta, kind })
    }

    /// How many of the lots of an order find somebody within its limit.
    fn reach(&self, row: &Row) -> i64 {
        let limit = self.book.limit();
        let price = Price(row.price as u64);
        let mut lots = 0;
        let mut count = |level: &usize| {
            lots += limit.levels()[*level].total_quantity().0 as i64;
            lots >= row.qty
        };
        if row.buys {
            limit.asks().range(..=price).any(|(_, level)| count(level));
        } else {
            limit.bids().range(price..).rev().any(|(_, level)| count(level));
        }
        lots.min(row.qty)
    }

    fn report(&self, outcome: &CommandOutcome, reports: &mut Reports) -> bool {
        let effects = match outcome {
            CommandOutcome::Applied(CommandReport::Submit(effects) | CommandReport::Amend(effects)) => effects,
            CommandOutcome::Applied(CommandReport::Cancel) => return true,
            CommandOutcome::Rejected(_) => return false,
        };
        if let Some(result) = effects.target_order().match_result() {
            for trade in result.trades() {
                let maker = self.orders[trade.maker_order_id().0 as usize] as i64;
                reports.push(TRADED, maker, trade.price().0 as i64, trade.quantity().0 as i64);
            }
        }
        true
    }

    fn submit(&mut self, row: &Row, qty: i64, rests: bool, reports: &mut Reports) -> u64 {
        let id = self.sequence;
        let side = if row.buys { Side::Buy } else { Side::Sell };
        let tif = if rests { TimeInForce::Gtc } else { TimeInForce::Ioc };
        let order = LimitOrder::new(
            Price(row.price as u64),
            QuantityPolicy::Standard { quantity: Quantity(qty as u64) },
            OrderFlags::new(side, false, tif),
        );
        let outcome = self.execute(row.order, CommandKind::Submit(SubmitCmd { order: NewOrder::Limit(order) }));
        self.report(&outcome, reports);
        id
    }

    /// Send an order, the part that crosses and the part that does not; return the id of what may rest.
    fn place(&mut self, row: &Row, reach: i64, reports: &mut Reports) -> u64 {
        if reach > 0 && reach < row.qty {
            let id = self.submit(row, reach, row.rests, reports);
            if row.rests {
                return self.submit(row, row.qty - reach, true, reports);
            }
            reports.push(REST, row.order, 0, row.qty - reach);
            return id;
        }
        let id = self.submit(row, row.qty, row.rests, reports);
        if reach == 0 && !row.rests {
            reports.push(REST, row.order, 0, row.qty);
        }
        id
    }

    fn cancel(&mut self, row: &Row, id: u64) -> bool {
        let kind = CommandKind::Cancel(CancelCmd { order_id: OrderId(id), order_kind: OrderKind::Limit });
        matches!(self.execute(row.order, kind), CommandOutcome::Applied(_))
    }

    fn amend(&mut self, row: &Row, id: u64, patch: LimitOrderPatch) -> bool {
        let policy = QuantityPolicy::Standard { quantity: Quantity(row.qty as u64) };
        let patch = AmendPatch::Limit(patch.with_quantity_policy(policy));
        let kind = CommandKind::Amend(AmendCmd { order_id: OrderId(id), patch });
        matches!(self.execute(row.order, kind), CommandOutcome::Applied(_))
    }
}

impl Engine for Books {
    fn new(instruments: usize, rows: usize) -> Self {
        let book = || Book { book: OrderBook::new("PEER"), sequence: 0, orders: Vec::new() };
        Books { books: (0..instruments).map(|_| book()).collect(), ids: vec![NO_ID; rows + 1] }
    }

    fn apply(&mut self, row: &Row, reports: &mut Reports) {
        let book = &mut self.books[row.instrument];
        let order = row.order as usize;
        let id = self.ids[order];
        match row.kind {
            NEW => {
                reports.push(ACCEPTED, row.order, row.price, row.qty);
                let reach = book.reach(row);
                self.ids[order] = book.place(row, reach, reports);
            }
            CANCEL => {
                let done = if book.cancel(row, id) { CANCELLED } else { REJECTED };
                reports.push(done, row.order, 0, 0);
            }
            REPLACE => {
                let Some(price) = book.book.limit().orders().get(&OrderId(id)).map(|order| order.price()) else {
                    return reports.push(REJECTED, row.order, 0, 0);
                };
                let new_price = Price(row.price as u64);
                let reach = book.reach(row);
                reports.push(REPLACED, row.order, row.price, row.qty);
                if reach == 0 && (price != new_price || row.less < 0) {
                    book.amend(row, id, LimitOrderPatch::new().with_price(new_price));
                } else {
                    book.cancel(row, id);
                    self.ids[order] = book.place(row, reach, reports);
                }
            }
            _ => {
                let done = if book.amend(row, id, LimitOrderPatch::new()) { REPLACED } else { REJECTED };
                reports.push(done, row.order, row.price, row.qty);
            }
        }
    }

    fn resting(&self) -> (i64, i64) {
        let books = || self.books.iter().map(|book| book.book.limit());
        let lots = books().flat_map(|book| book.orders().values()).map(|order| order.total_quantity().0 as i64);
        (books().map(|book| book.orders().len() as i64).sum(), lots.sum())
    }
}

fn main() {
    serve::<Books>();
}
