//! Methods of a scalar function that stands over DataFusion's of the same name and hands them on to it, in the field `builtin`.

/// Hands on the methods that are named, as in `as_builtin! { name signature return_type }`.
macro_rules! as_builtin {
    ($($method:ident)*) => { $(as_builtin!(@$method);)* };
    (@name) => {
        fn name(&self) -> &str {
            self.builtin.name()
        }
    };
    (@aliases) => {
        fn aliases(&self) -> &[String] {
            self.builtin.aliases()
        }
    };
    (@signature) => {
        fn signature(&self) -> &datafusion::logical_expr::Signature {
            self.builtin.signature()
        }
    };
    (@coerce_types) => {
        fn coerce_types(
            &self,
            types: &[arrow::datatypes::DataType],
        ) -> datafusion::common::Result<Vec<arrow::datatypes::DataType>> {
            self.builtin.coerce_types(types)
        }
    };
    (@return_type) => {
        fn return_type(
            &self,
            types: &[arrow::datatypes::DataType],
        ) -> datafusion::common::Result<arrow::datatypes::DataType> {
            self.builtin.return_type(types)
        }
    };
    (@return_field_from_args) => {
        fn return_field_from_args(
            &self,
            args: datafusion::logical_expr::ReturnFieldArgs<'_>,
        ) -> datafusion::common::Result<arrow::datatypes::FieldRef> {
            self.builtin.return_field_from_args(args)
        }
    };
    (@simplify) => {
        fn simplify(
            &self,
            args: Vec<datafusion::logical_expr::Expr>,
            context: &datafusion::logical_expr::simplify::SimplifyContext,
        ) -> datafusion::common::Result<datafusion::logical_expr::simplify::ExprSimplifyResult> {
            self.builtin.simplify(args, context)
        }
    };
    (@conditional_arguments) => {
        fn conditional_arguments<'a>(
            &self,
            args: &'a [datafusion::logical_expr::Expr],
        ) -> Option<(Vec<&'a datafusion::logical_expr::Expr>, Vec<&'a datafusion::logical_expr::Expr>)> {
            self.builtin.conditional_arguments(args)
        }
    };
    (@short_circuits) => {
        fn short_circuits(&self) -> bool {
            self.builtin.short_circuits()
        }
    };
    (@output_ordering) => {
        fn output_ordering(
            &self,
            inputs: &[datafusion::logical_expr::sort_properties::ExprProperties],
        ) -> datafusion::common::Result<datafusion::logical_expr::sort_properties::SortProperties> {
            self.builtin.inner().output_ordering(inputs)
        }
    };
    (@invoke_with_args) => {
        fn invoke_with_args(
            &self,
            args: datafusion::logical_expr::ScalarFunctionArgs,
        ) -> datafusion::common::Result<datafusion::logical_expr::ColumnarValue> {
            self.builtin.inner().invoke_with_args(args)
        }
    };
    (@documentation) => {
        fn documentation(&self) -> Option<&datafusion::logical_expr::Documentation> {
            self.builtin.documentation()
        }
    };
}

pub(crate) use as_builtin;
