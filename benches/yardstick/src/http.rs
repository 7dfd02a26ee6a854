//! The yardstick behind HTTP: the service's HTTP server takes bodies, and the yardstick's committer writes them. Nothing is
//! parsed, checked or unfolded: no service can acknowledge more on the same machine, with the same client beside it.

use std::{io::Write, path::Path, sync::mpsc::Sender};

use actix_web::{
    App, HttpResponse, HttpServer,
    rt::System,
    web::{self, Bytes, Data},
};
use tokio::sync::oneshot;

use super::{Done, Failed, Row, committer};

/// As in the service.
const WORKERS: usize = 2;

struct Answer(oneshot::Sender<()>);

impl Done for Answer {
    fn tell(self) {
        let _ = self.0.send(());
    }
}

/// Serves until it is killed; tells its address on the first line.
pub fn serve(folder: &Path) -> Result<(), Failed> {
    let (queue, _committer) = committer::<Answer>(folder)?;
    System::new().block_on(async {
        let server = HttpServer::new(move || {
            App::new()
                .app_data(Data::new(queue.clone()))
                .route("/alertmanager", web::post().to(post))
        })
        .workers(WORKERS)
        .bind("127.0.0.1:0")?;
        println!("{}", server.addrs()[0]);
        std::io::stdout().flush()?;
        server.run().await?;
        Ok(())
    })
}

async fn post(queue: Data<Sender<Row<Answer>>>, body: Bytes) -> HttpResponse {
    let (answer, committed) = oneshot::channel();
    let row = Row {
        // Counting them would be parsing.
        alerts: 1,
        body: body.to_vec(),
        done: Answer(answer),
    };
    if queue.send(row).is_ok() && committed.await.is_ok() {
        HttpResponse::Accepted().finish()
    } else {
        HttpResponse::ServiceUnavailable().finish()
    }
}
