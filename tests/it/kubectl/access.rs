use simulated_cluster::kubernetes::User;

use super::Session;

async fn with_ada() -> Session {
    let session = Session::of(&[User::new("ada", &["system:authenticated"])]).await;
    for line in [
        "kubectl create namespace shop",
        "kubectl create role reader -n shop --verb=get,list,watch --resource=pods,pods/log",
        "kubectl create rolebinding ada -n shop --role=reader --user=ada",
        "kubectl create clusterrole nodes --verb=get,list --resource=nodes",
        "kubectl create clusterrolebinding ada --clusterrole=nodes --user=ada",
        "kubectl create deployment web -n shop --image=web:1",
    ] {
        session.run(line).await;
    }
    session
}

#[tokio::test]
async fn says_who_may_do_what() {
    let session = with_ada().await;
    for line in [
        "kubectl auth whoami --kubeconfig ada",
        "kubectl auth can-i list pods -n shop --kubeconfig ada",
        "kubectl auth can-i delete pods -n shop --kubeconfig ada",
        "kubectl auth can-i create pods/eviction -n shop --kubeconfig ada",
        "kubectl auth can-i get nodes --kubeconfig ada",
        "kubectl auth can-i list pods --all-namespaces --kubeconfig ada",
        "kubectl auth can-i get /healthz --kubeconfig ada",
        "kubectl auth can-i --list -n shop --kubeconfig ada",
        "kubectl auth can-i delete pods -n shop --as ada",
        "kubectl auth can-i list pods -n shop --as system:serviceaccount:shop:default",
        "kubectl auth can-i '*' '*'",
        "kubectl auth can-i list widgets",
    ] {
        session.run(line).await;
    }
    insta::assert_snapshot!(session.told());
}

#[tokio::test]
async fn is_refused_what_it_may_not() {
    let session = with_ada().await;
    session.wait(30);
    for line in [
        "kubectl get pods -n shop --kubeconfig ada",
        "kubectl get secrets -n shop --kubeconfig ada",
        "kubectl get pods -A --kubeconfig ada",
        "kubectl delete deployment web -n shop --kubeconfig ada",
        "kubectl scale deployment web -n shop --replicas=2 --kubeconfig ada",
        "kubectl cordon n1 --kubeconfig ada",
        "kubectl create configmap x -n shop --kubeconfig ada",
        "kubectl get pods -n shop --kubeconfig ada --as kubernetes-admin",
        "kubectl get nodes --as ada --as-group system:nobody",
        "kubectl get secrets -n shop --as ada",
        "kubectl get pods --kubeconfig nobody",
    ] {
        session.run(line).await;
    }
    insta::assert_snapshot!(session.told());
}
