//! Claims as the twin uses them: what is told of lines and holds, what an order comes to now, what is told of it. What
//! a line claims is computed anew from the set of its facts.

mod doubled;
mod forget;
mod kept;
mod known;
mod line;
mod seeing;
mod shelf;
mod supply;
mod tell;
mod told;
mod trouble;
